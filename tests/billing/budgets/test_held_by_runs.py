"""What runs set aside does not come back when calls have settled: nobody is told to
try again because of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing import envelopes
from billing.reports.balance import balance_of
from billing.values import clock as clocks
from billing.values import errors
from tests.support.ledger.clocks import Clock
from tests.support.ledger.teams import Team, outcome


def is_free_soon(team: Team, bound: int, **particulars: str) -> bool:
    refusal = team.place(bound, **particulars)
    assert isinstance(refusal, errors.BudgetExceeded), refusal
    return refusal.is_free_soon


def test_credits_of_a_run_are_not_on_hold(team: Team) -> None:
    run = team.run(900)
    assert outcome(team, 101) == "InsufficientCredits"
    run.hold(100)  # returns to the run
    assert outcome(team, 101) == "InsufficientCredits"
    team.hold(60)
    assert outcome(team, 100) == "CreditsOnHold"
    assert outcome(team, 101) == "InsufficientCredits"
    with pytest.raises(errors.CreditsOnHold):
        team.run(100)
    with pytest.raises(errors.InsufficientCredits) as met:
        envelopes.add_credits(run.envelope_id, 101)
    assert not isinstance(met.value, errors.CreditsOnHold)
    assert balance_of(team.account_id).returning_micros == 60


def test_what_runs_in_a_run_that_has_ended_comes_back(team: Team, clock: Clock) -> None:
    run = team.run(900, expires_at=clocks.now() + timedelta(minutes=5))
    run.run(200).hold(150)
    run.close()
    assert outcome(team, 1000) == "CreditsOnHold"
    lapsed = team.run(800, expires_at=clocks.now() + timedelta(minutes=5))
    lapsed.hold(700)
    clock.advance(minutes=5)
    assert outcome(team, 1000) == "CreditsOnHold"
    assert balance_of(team.account_id).returning_micros == 850


def test_nor_is_what_a_run_holds_of_a_limit(team: Team) -> None:
    team.limit(100)
    run = team.run(80)
    run.hold(30)
    assert not is_free_soon(team, 30)
    team.hold(10)
    assert is_free_soon(team, 20)
    assert not is_free_soon(team, 21)


def test_calls_of_a_run_free_a_limit_that_counts_them_one_by_one(team: Team) -> None:
    team.limit(100, model_pattern="a/*")
    run = team.run(500)
    run.hold(90, model="a/one")
    assert is_free_soon(team, 30, model="a/one")
