"""How credits, moments and charts are written: exact, and never a float."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from billing.values.orders import CREDIT
from portal.pages.parts import charts
from portal.templatetags import tollgate

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("micros", "words"),
    [
        (1_234_567 * CREDIT, "1,234,567"),
        (32_500, "0.0325"),
        (1, "0.000001"),
        (0, "0"),
        (10 * CREDIT + 100_000, "10.1"),
        (-2_500_000, "−2.5"),
        (None, "—"),
        ("", "—"),  # of an object that is not there, in a template
    ],
)
def test_credits_have_as_many_decimals_as_needed(
    micros: int | None, words: str
) -> None:
    assert tollgate.credits_of(micros) == words


@given(st.integers(-(10**18), 10**18))
def test_what_is_written_is_exactly_what_is_stored(micros: int) -> None:
    words = tollgate.credits_of(micros)
    assert tollgate.whole(micros) + tollgate.fraction(micros) == words
    whole, _, rest = words.replace(",", "").replace("−", "-").partition(".")
    sign = -1 if whole.startswith("-") else 1
    assert int(whole) * CREDIT + sign * int(rest.ljust(6, "0") or 0) == micros


def test_the_title_has_the_stored_integer() -> None:
    assert tollgate.exact(32_500) == "32,500 microcredits"
    assert tollgate.exact(None) == "no data"


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(minutes=1), "1 min ago"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(days=2, hours=5), "2 days ago"),
        (-timedelta(seconds=30), "in under a minute"),
        (-timedelta(hours=5), "in 5 hours"),
    ],
)
def test_moments_are_told_from_now(ago: timedelta, words: str) -> None:
    with time_machine.travel(NOW, tick=False):
        assert tollgate.relative(NOW - ago) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (900, "15 minutes"),
        (60, "1 minute"),
        (90, "90 seconds"),
        (1, "1 second"),
        (0, "0 seconds"),
        (86_400, "1,440 minutes"),
    ],
)
def test_durations_are_never_rounded(seconds: int, words: str) -> None:
    assert tollgate.duration(seconds) == words


def test_a_moment_names_its_zone() -> None:
    assert tollgate.moment(NOW) == "2026-05-04 12:00:00 UTC"
    assert tollgate.moment(None) == tollgate.relative(None) == "—"


def test_words_for_states_and_bases_fall_back_to_the_code() -> None:
    assert tollgate.state_word("released") == "not charged"
    assert tollgate.state_word("new_state") == "new_state"
    assert tollgate.state_meaning("new_state") == ""
    assert tollgate.basis_word("") == "—"
    assert tollgate.basis_meaning("new_basis") == ""
    assert tollgate.basis_meaning("") == "not charged"
    assert tollgate.count(None) == "—"


@pytest.mark.parametrize(
    ("most", "top"),
    [(0, CREDIT), (1, 10), (105 * CREDIT, 120 * CREDIT), (81, 100), (10**15, 10**15)],
)
def test_the_axis_ends_on_a_round_number(most: int, top: int) -> None:
    assert charts.round_top(most) == top


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=40))
def test_bars_stay_inside_and_every_spend_is_seen(charged: list[int]) -> None:
    days = [(date(2026, 1, 1), micros, 1) for micros in charged]
    chart = charts.bars(days)
    for bar, micros in zip(chart.bars, charged, strict=True):
        assert 0 <= bar.y <= charts.HEIGHT
        assert bar.y + bar.height == charts.HEIGHT
        assert (bar.height > 0) == (micros > 0)
    assert chart.middle_micros * 2 == chart.top_micros
    assert [bar.is_last for bar in chart.bars][-1]
