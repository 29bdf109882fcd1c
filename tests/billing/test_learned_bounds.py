"""Bounds that learn, in the ledger: in the transaction of the charge, for everybody."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from billing import bounds, holds
from billing.models import Hold, LearnedBound, Pause
from billing.values import errors
from billing.values.orders import CREDIT, Placed, Resolved, Settle
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import (
    Payer,
    committed,
    system_balance,
    used,
)
from tests.support.ledger.stored import codes_of_errors

SHARED = {"shape": "shared", "model": "dear"}


def payer(credits: int = 1000, factor_ppm: int = 1_000_000) -> Payer:
    return Payer.open(credits=credits * CREDIT, price_factor_ppm=factor_ppm)


@pytest.fixture
def one(db: None, clock: Clock) -> Payer:
    return payer()


@pytest.fixture
def two(db: None, clock: Clock) -> Payer:
    return payer()


def held(customer: Payer, credits: int, **particulars: Any) -> int:
    """What is held for a call with a bound of so many credits, in credits."""
    placed = customer.place(credits * CREDIT, **(SHARED | particulars))
    assert isinstance(placed, Placed), placed
    customer.release(placed.hold_id)
    return -(-placed.held_micros // CREDIT)


def call(customer: Payer, credits: int, cost: int, **particulars: Any) -> Resolved:
    hold_id = customer.hold(credits * CREDIT, **(SHARED | particulars))
    return customer.settle(hold_id, cost * CREDIT)


def test_a_price_above_its_hold_is_held_for_everybody_from_then_on(
    one: Payer, two: Payer
) -> None:
    assert held(two, 10) == 10
    call(one, 10, 35)
    assert (held(one, 10), held(two, 10), held(two, 5)) == (35, 35, 18)
    call(two, 10, 35)
    row = LearnedBound.objects.get()
    assert (row.factor_ppb, row.lessons, row.overruns) == (3_500_000_000, 1, 1)
    assert codes_of_errors() == []


@pytest.mark.parametrize(
    "other",
    [{"model": "other"}, {"shape": "other"}, {"operation": "images.generations"}],
)
def test_other_calls_are_not_taught(one: Payer, other: dict[str, str]) -> None:
    call(one, 10, 35)
    assert held(one, 10, **other) == 10


def test_larger_calls_are_taught_by_their_own_price(one: Payer, two: Payer) -> None:
    call(one, 10, 35)
    assert 100 < held(two, 100) < 350
    call(two, 100, 350)
    assert (held(one, 10), held(one, 100)) == (35, 350)


def test_a_size_that_its_neighbour_held_for_is_learned_without_an_overrun(
    one: Payer,
) -> None:
    call(one, 10, 35)  # of the size up to 16.8 credits
    call(one, 20, 60)
    assert held(one, 60) == 180
    assert [row.overruns for row in LearnedBound.objects.order_by("size")] == [1, 0]
    call(one, 20, 60)
    assert LearnedBound.objects.count() == 2


def test_a_price_within_its_hold_teaches_nothing(one: Payer) -> None:
    call(one, 10, 10)
    call(one, 10, 0)
    assert not LearnedBound.objects.exists()


def test_a_hold_of_the_same_transaction_knows_it(one: Payer, two: Payer) -> None:
    first = one.hold(10 * CREDIT, **SHARED)
    settle = Settle(first, one.account_id, used(35 * CREDIT))
    _, mine, theirs = holds.commit(
        [settle, *(each.order(10 * CREDIT, **SHARED) for each in (one, two))]
    )
    assert isinstance(mine, Placed)
    assert isinstance(theirs, Placed)
    assert mine.held_micros == theirs.held_micros == 35 * CREDIT


def test_many_prices_of_one_transaction_are_one_lesson_and_many_overruns(
    one: Payer, two: Payer
) -> None:
    ids = [(each, each.hold(10 * CREDIT, **SHARED)) for each in (one, two, one)]
    holds.commit(
        [Settle(hold, each.account_id, used(35 * CREDIT)) for each, hold in ids]
    )
    row = LearnedBound.objects.get()
    assert (row.lessons, row.overruns, row.borne_micros) == (1, 3, 0)
    assert held(one, 10) == 35


def test_a_placed_and_overrun_call_of_one_transaction_teaches(one: Payer) -> None:
    order = one.order(10 * CREDIT, **SHARED)
    holds.commit([order, Settle(order.hold_id, one.account_id, used(35 * CREDIT))])
    assert held(one, 10) == 35


@pytest.mark.parametrize("factor_ppm", [333_333, 1_200_000, 2_500_000])
def test_lessons_are_about_costs_and_holds_about_prices(
    db: None, clock: Clock, factor_ppm: int
) -> None:
    teacher, pupil = payer(), payer(factor_ppm=factor_ppm)
    call(pupil, 10, 35)
    assert held(teacher, 10) == 35
    placed = pupil.place(10 * CREDIT, **SHARED)
    assert isinstance(placed, Placed)
    assert placed.held_micros == 35 * factor_ppm
    pupil.settle(placed.hold_id, 35 * CREDIT)
    assert LearnedBound.objects.get().overruns == 1


def test_who_cannot_pay_the_learned_bound_is_refused(db: None, clock: Clock) -> None:
    rich, poor = payer(), payer(30)
    call(rich, 10, 35)
    refused = poor.place(10 * CREDIT, **SHARED)
    assert isinstance(refused, errors.InsufficientCredits)
    assert refused.required_micros == 35 * CREDIT


def test_a_rate_limited_by_what_was_learned_bears_nothing_more(
    db: None, clock: Clock
) -> None:
    """Fault 14: on credits for 50 calls, 64 callers, 7 where 6 is held."""
    customer, before = payer(300), system_balance("absorbed")
    round_one = [customer.hold(6 * CREDIT, **SHARED) for _ in range(50)]
    for hold_id in round_one:
        customer.settle(hold_id, 7 * CREDIT)
    borne = before - system_balance("absorbed")
    assert borne == 50 * CREDIT
    customer.grant(300 * CREDIT)
    while isinstance(placed := customer.place(6 * CREDIT, **SHARED), Placed):
        customer.settle(placed.hold_id, 7 * CREDIT)
    assert before - system_balance("absorbed") == borne
    assert customer.figures()[0] == (300 - 42 * 7) * CREDIT


# --- a price of nothing ---------------------------------------------------------------


def test_a_price_of_nothing_is_not_believed_before_a_call_was_free(one: Payer) -> None:
    cautious = {"cautious_micros": 63 * CREDIT}
    assert held(one, 0, **cautious) == 63
    call(one, 0, 0, **cautious)
    assert held(one, 0, **cautious) == 0
    call(one, 0, 7, **cautious)
    assert held(one, 0, **cautious) == 63
    call(one, 0, 100, **cautious)
    assert held(one, 0, **cautious) == 100
    assert LearnedBound.objects.get().overruns == 2


def test_a_model_of_the_row_for_all_is_believed_when_one_was_settled(
    one: Payer, two: Payer
) -> None:
    cautious = {"cautious_micros": 40 * CREDIT}
    first = one.hold(10 * CREDIT, **SHARED, **cautious)
    assert held(two, 10, **cautious) == 40
    one.settle(first, 9 * CREDIT)
    assert held(two, 10, **cautious) == 10
    assert [row.overruns for row in LearnedBound.objects.all()] == [0]


def test_a_cautious_hold_teaches_though_it_was_enough(one: Payer) -> None:
    cautious = {"cautious_micros": 40 * CREDIT}
    call(one, 10, 35, **cautious)
    assert held(one, 10, **cautious) == 35


# --- jobs -----------------------------------------------------------------------------


def test_an_estimate_above_its_hold_teaches_before_it_costs(
    one: Payer, two: Payer
) -> None:
    video = one.hold(100 * CREDIT, **SHARED)
    one.entrust(video, 350 * CREDIT)
    assert Hold.objects.get(id=video).amount_micros == 350 * CREDIT
    assert held(two, 100) == 350
    assert [row.overruns for row in LearnedBound.objects.all()] == [0]


def test_an_estimate_that_cannot_be_held_teaches_too(db: None, clock: Clock) -> None:
    poor, rich = payer(120), payer()
    video = poor.hold(100 * CREDIT, **SHARED)
    assert poor.entrust(video, 350 * CREDIT).held_micros == 100 * CREDIT
    assert held(rich, 100) == 350


def test_a_job_is_not_raised_to_what_was_known_when_it_was_placed(one: Payer) -> None:
    cautious = {"cautious_micros": 63 * CREDIT}
    call(one, 0, 0, **cautious)
    free = one.hold(0, **SHARED, **cautious)
    assert one.entrust(free, 63 * CREDIT).held_micros == 0
    assert held(one, 0, **cautious) == 0


# --- the operator ---------------------------------------------------------------------


def test_what_was_learned_is_logged(one: Payer, caplog: Any) -> None:
    with caplog.at_level(logging.WARNING, "billing.ledger.learned"):
        call(one, 10, 35)
        call(one, 10, 35)
    [record] = caplog.records
    assert "dear costs more than the tariff's bound" in record.getMessage()
    assert "at 3.5 times that" in record.getMessage()


def test_the_operator_can_have_the_tariff_believed_again(one: Payer) -> None:
    call(one, 10, 35)
    call(one, 100, 350)
    bounds.forget(LearnedBound.objects.all()[0].id)
    assert (held(one, 10), held(one, 100)) == (10, 100)
    call(one, 10, 35)
    assert held(one, 10) == 35


@pytest.mark.parametrize("cautious", [-1, 10**15 + 1])
def test_a_senseless_cautious_bound_is_rejected(one: Payer, cautious: int) -> None:
    rejected = committed(one.order(1, cautious_micros=cautious))
    assert type(rejected) is errors.LedgerError
    assert not Pause.objects.exists()
