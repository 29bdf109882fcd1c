"""What is added to a run counts in the windows of now, or it is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing import budgets, envelopes
from billing.values import clock as clocks
from billing.values import errors
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import wrong_in_the_ledger
from tests.support.ledger.teams import Run, Team, counts

MONTH = timedelta(days=30)


def lasting(team: Team, credits: int) -> Run:
    return team.run(credits, expires_at=clocks.now() + MONTH)


def test_windows_that_have_ended_lend_their_room_to_nobody(
    team: Team, clock: Clock
) -> None:
    team.limit(100)
    runs = []
    for _ in range(3):
        runs.append(lasting(team, 1))
        clock.advance(days=1)
    for run in runs:
        with pytest.raises(errors.WindowEnded) as met:
            envelopes.add_credits(run.envelope_id, 99)
        assert (met.value.level, met.value.window) == ("key", "day")
    assert team.figures() == (1000, 3, 997)
    today = lasting(team, 1)
    assert envelopes.add_credits(today.envelope_id, 99).left_micros == 100
    assert wrong_in_the_ledger() == []


def test_yesterdays_window_has_no_say_in_todays_credits(
    team: Team, clock: Clock
) -> None:
    """Though it is full, it is not it that refuses."""
    team.limit(100)
    run = lasting(team, 100)
    clock.advance(days=1)
    with pytest.raises(errors.WindowEnded):
        envelopes.add_credits(run.envelope_id, 1)


@pytest.mark.parametrize("window", ["total", "month"])
def test_a_window_that_goes_on_takes_more(
    team: Team, clock: Clock, window: str
) -> None:
    clock.moment = clock.moment.replace(day=1)
    budget = team.limit(100, window=window)
    run = lasting(team, 10)
    clock.advance(days=3)
    assert envelopes.add_credits(run.envelope_id, 90).left_micros == 100
    assert counts(budget) == (0, 100)


def test_a_limit_that_is_gone_or_newer_does_not_matter(
    team: Team, clock: Clock
) -> None:
    budget = team.limit(100)
    run = lasting(team, 10)
    clock.advance(days=1)
    budgets.remove(budget.id)
    team.limit(20, "organization", counts_spend_so_far=False)
    assert envelopes.add_credits(run.envelope_id, 90).left_micros == 100
    assert wrong_in_the_ledger() == []


def test_a_run_inside_it_is_raised_out_of_what_was_set_aside(
    team: Team, clock: Clock
) -> None:
    team.limit(100)
    outer = lasting(team, 100)
    inner = lasting(outer, 10)
    clock.advance(days=1)
    assert envelopes.add_credits(inner.envelope_id, 90).left_micros == 100
    assert outer.left == 0
    assert wrong_in_the_ledger() == []


def test_what_has_expired_beside_it_makes_room_for_it(team: Team, clock: Clock) -> None:
    team.limit(1000, window="total")
    team.run(900)
    run = team.run(100, expires_at=clocks.now() + MONTH)
    clock.advance(hours=1)
    assert envelopes.add_credits(run.envelope_id, 900).left_micros == 1000
    assert team.figures() == (1000, 1000, 0)
    assert wrong_in_the_ledger() == []
