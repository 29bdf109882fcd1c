"""What a price teaches: never too little for the same call again, exact the first time,
and no more than a sum on top where rounding may explain it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.pricing.lessons import (
    SHAPE_LENGTH_MAX,
    Caution,
    Lessons,
    bound_micros,
    dearest,
    mark_of,
    shape_of,
)
from billing.pricing.rates import Rates, Units
from billing.values.amounts import PPM
from billing.values.orders import AMOUNT_MICROS_MAX, CREDIT
from tests.billing.test_pricing import rates, row, units

bounds = st.integers(0, 10**12)
# An upstream's claim is believed up to a hundred times the bound, or a hundred credits.
calls = bounds.flatmap(
    lambda base: st.tuples(st.just(base), st.integers(0, 100 * max(base, CREDIT)))
)
histories = st.lists(calls, max_size=6)


def taught(*calls: tuple[int, int]) -> Lessons:
    """By calls that cost so much, and were not held for it."""
    lessons = Lessons()
    for base, cost in calls:
        lessons.learn(base, cost, was_held=False)
    return lessons


@given(histories, calls)
def test_the_same_call_never_costs_more_than_is_held_again(
    before: list[tuple[int, int]], call: tuple[int, int]
) -> None:
    base, cost = call
    assert taught(*before, call).most_micros(base) >= cost


@given(histories, histories, bounds)
def test_no_lesson_takes_another_back(
    before: list[tuple[int, int]], later: list[tuple[int, int]], base: int
) -> None:
    most = taught(*before).most_micros(base)
    assert base <= most <= taught(*before, *later).most_micros(base)


@given(histories, bounds, bounds)
def test_less_is_never_held_for_more(
    before: list[tuple[int, int]], one: int, other: int
) -> None:
    lessons = taught(*before)
    less, more = sorted((one, other))
    assert bound_micros(less, 0, lessons) <= bound_micros(more, 0, lessons)


@given(calls)
def test_the_first_lesson_is_exact(call: tuple[int, int]) -> None:
    base, cost = call
    more = cost // 10**9 + 1 if base > 10**9 else 0  # how finely a factor is kept
    most = taught(call).most_micros(base)
    assert max(base, cost) <= most <= max(base, cost, 1) + more


def test_a_lesson_is_multiplied_up_to_its_size_and_added_beyond() -> None:
    lessons = taught((10, 35))  # of the size from 4 to 16
    assert [lessons.most_micros(base) for base in (1, 4, 16)] == [4, 14, 56]
    assert [lessons.most_micros(base) for base in (17, 1000)] == [57, 1040]


def test_the_smallest_call_does_not_multiply_the_largest() -> None:
    lessons = taught((CREDIT, 100 * CREDIT))
    assert lessons.most_micros(1000 * CREDIT) < 1500 * CREDIT


def test_a_lesson_of_a_larger_size_goes_before() -> None:
    lessons = taught((10, 20), (1000, 3500))
    assert lessons.most_micros(10) == 35
    assert lessons.most_micros(1000) == 3500


def test_a_second_lesson_of_a_size_leaves_room() -> None:
    lessons = taught((10, 20), (10, 28))
    assert lessons.most_micros(10) == 35
    assert taught((10, 20), (10, 28), (10, 35)) == lessons


def test_what_was_held_confirms_and_is_no_news() -> None:
    lessons = taught((10, 35))
    lesson = lessons.learn(20, 60, was_held=True)
    assert lessons.most_micros(20) == 60
    assert lesson.count == 0


def test_a_factor_fits_its_column_whatever_is_claimed() -> None:
    lessons = taught((0, AMOUNT_MICROS_MAX), (0, AMOUNT_MICROS_MAX))
    assert lessons.sizes[0].factor_ppb < 2**63
    assert lessons.most_micros(AMOUNT_MICROS_MAX) == AMOUNT_MICROS_MAX


# --- nobody priced it ----------------------------------------------------------------


def test_nothing_known_is_held_cautiously_and_one_free_call_is_believed() -> None:
    assert bound_micros(0, 63, None) == 63
    assert bound_micros(0, 63, taught((63, 0))) == 0
    # Once one has cost something, however little, it is free no more.
    assert bound_micros(0, 63, taught((63, 0), (63, 7))) == 63
    assert bound_micros(0, 63, taught((63, 70))) == 70


def test_a_priced_model_is_believed() -> None:
    assert bound_micros(40, 0, None) == 40
    assert bound_micros(40, 0, taught((40, 0))) == 40
    assert bound_micros(40, 63, taught((40, 30))) == 40


@given(st.lists(rates, min_size=1, max_size=4), units)
def test_the_dearest_row_is_no_cheaper_than_any(
    tariff: list[Rates], units: Units
) -> None:
    highest = max(each.cost_micros(units) for each in tariff)
    assert dearest(tariff, "chat.completions").cost_micros(units) >= highest


def test_the_dearest_row_has_the_dearest_option() -> None:
    plain = row("a", image_micros=10)
    half = replace(row("b", image_micros=10), factors={"512x512": PPM // 2})
    large = replace(row("c", image_micros=10), factors={"4k": 4 * PPM})
    units = Units(images=1, options=("512x512",))
    assert dearest([half], half.operation).cost_micros(units) == 5
    assert dearest([plain, half, large], half.operation).cost_micros(units) == 10
    units = Units(images=1, options=("4k",))
    assert dearest([plain, half, large], half.operation).cost_micros(units) == 40


@pytest.mark.parametrize(
    ("model", "price", "held"),
    [
        ("*", 3, 50),
        ("**", 3, 50),
        ("*", 0, 90),
        ("m", 3, 0),
        ("m", 0, 90),
        ("openai/*", 3, 0),
        ("openai/*", 0, 90),
    ],
)
def test_who_is_held_for_cautiously(model: str, price: int, held: int) -> None:
    mine = row(model, base_micros=price)
    top = dearest([mine, row("dear", base_micros=50)], mine.operation)
    assert Caution(top, 90).micros(mine, Units()) == held


# --- shapes --------------------------------------------------------------------------


def shape(**changes: Any) -> str:
    units: dict[str, Any] = {"prompt_tokens": 5, "completion_tokens": 7}
    return shape_of(mark_of(row("m")), Units(**(units | changes)))


def test_a_shape_is_what_was_chosen_and_not_how_much() -> None:
    assert shape() == shape(prompt_tokens=500, completion_tokens=1)
    kinds = {
        shape(),
        shape(images=1),
        shape(web_search=True),
        shape(images=1, web_search=True),
        shape(options=("4k",)),
        shape(options=("1080p", "60fps")),
        shape_of(mark_of(row("m")), Units(), ("reasoning",)),
    }
    assert len(kinds) == 7
    assert shape(images=1) == shape(images=3)


def test_a_row_that_was_changed_makes_another_shape() -> None:
    assert shape_of(mark_of(row("m")), Units()) == shape_of(mark_of(row("m")), Units())
    changed = row("m", base_micros=1)
    assert shape_of(mark_of(row("m")), Units()) != shape_of(mark_of(changed), Units())


def test_a_shape_fits_its_column() -> None:
    long = ["x" * 70, "y" * 70]
    found = shape_of(mark_of(row("m")), Units(), long)
    assert len(found) <= SHAPE_LENGTH_MAX
    assert found != shape_of(mark_of(row("m")), Units(), reversed(long))
