"""A key that succeeds another has its limits: both together stay within them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection

from billing import budgets, envelopes, spenders
from billing.models import Budget, BudgetWindow
from billing.values import clock as clocks
from billing.values.errors import BudgetExceeded
from billing.values.orders import AtOnce, Placed
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import wrong_in_the_ledger
from tests.support.ledger.teams import Team, counts, outcome, spender

WINDOWS = ["day", "week", "month", "total"]


def successor_of(team: Team) -> Team:
    opened = spenders.open_spender(
        team.account_id,
        "ci",
        project_id=team.project_id,
        holder_id=team.holder_id,
        succeeds=spender(team),
    )
    return Team(team.account_id, opened.id, team.project_id, team.holder_id)


@pytest.mark.parametrize("window", WINDOWS)
def test_what_was_spent_and_is_held_counts_for_both(team: Team, window: str) -> None:
    budget = team.limit(100, window=window)
    team.call(30)
    held = team.hold(40)
    successor = successor_of(team)
    refusal = successor.place(31)
    assert isinstance(refusal, BudgetExceeded)
    assert (refusal.used_micros, refusal.held_micros) == (30, 40)
    assert (refusal.level, refusal.label) == ("key", "ci")
    successor.hold(20)
    assert counts(budget) == (30, 60)
    assert outcome(team, 11) == "BudgetExceeded"
    team.settle(held, 10)
    assert counts(budget) == (40, 20)
    assert outcome(successor, 40) == "Placed"
    assert outcome(team, 1) == outcome(successor, 1) == "BudgetExceeded"
    assert wrong_in_the_ledger() == []


def test_it_is_so_after_many_rotations(team: Team) -> None:
    budget = team.limit(100)
    line = [team]
    for _ in range(3):
        line[-1].call(20)
        line.append(successor_of(line[-1]))
    assert counts(budget) == (60, 0)
    assert [outcome(each, 41) for each in line] == ["BudgetExceeded"] * 4
    assert outcome(line[-1], 40) == "Placed"
    assert len(budgets.chain_of(line[-1].spender_id)) == 1
    assert wrong_in_the_ledger() == []


def test_a_limit_set_later_is_of_all_of_them(team: Team) -> None:
    team.call(10)
    team.hold(20)
    successor = successor_of(team)
    successor.call(5)
    budget = successor.limit(50)
    assert budget.spender_id == team.spender_id
    assert counts(budget) == (15, 20)
    assert outcome(team, 16) == "BudgetExceeded"
    assert team.limit(60).id == budget.id
    assert Budget.objects.filter(account_id=team.account_id).count() == 1
    assert wrong_in_the_ledger() == []


def test_another_key_has_limits_of_its_own(team: Team) -> None:
    team.limit(10)
    successor_of(team)
    assert outcome(team.colleague(), 11) == "Placed"


def test_both_run_so_many_calls_at_once(team: Team) -> None:
    successor = successor_of(team)
    limit = (AtOnce(f"spender:{team.spender_id}", 2, "key", "ci"),)
    one = team.hold(1, at_once=limit)
    assert isinstance(successor.place(1, at_once=limit), Placed)
    for each in (team, successor):
        assert type(each.place(1, at_once=limit)).__name__ == "TooManyCalls"
    team.release(one)
    assert isinstance(successor.place(1, at_once=limit), Placed)


# --- runs --------------------------------------------------------------------------


def test_runs_of_both_count(team: Team) -> None:
    budget = team.limit(100)
    run = team.run(60)
    run.call(10)
    successor = successor_of(team)
    other = successor.run(40)
    assert counts(budget) == (10, 90)
    other.call(40)
    assert outcome(successor, 1) == "BudgetExceeded"
    run.close()
    assert counts(budget) == (50, 0)
    assert wrong_in_the_ledger() == []


def test_a_run_goes_on_while_its_key_does_and_ends_with_it(
    team: Team, clock: Clock
) -> None:
    budget = team.limit(100)
    later = clocks.now() + timedelta(hours=9)
    run = team.run(60, expires_at=later)
    inner = run.run(20, expires_at=later)
    spenders.close_at(team.spender_id, clocks.now() + timedelta(hours=1))
    successor = successor_of(team)
    assert outcome(run, 1) == outcome(inner, 1) == "Placed"
    assert envelopes.expire_due() == 0
    clock.advance(hours=1)
    assert outcome(run, 1) == outcome(inner, 1) == "SpenderClosed"
    assert envelopes.expire_due() == 2
    assert envelopes.expire_due() == 0
    assert counts(budget) == (0, 2)
    assert envelopes.look(run.envelope_id).status == "closed"
    assert outcome(successor, 98) == "Placed"
    assert wrong_in_the_ledger() == []


# --- at once -----------------------------------------------------------------------


def test_both_race_to_the_same_limit(committed_db: None) -> None:
    team = Team.open(credits=1000)
    budget = team.limit(50)
    payers = [team, successor_of(team)] * 2

    def spend(payer: Team) -> int:
        try:
            return [outcome(payer, 3) for _ in range(10)].count("Placed")
        finally:
            connection.close()

    with ThreadPoolExecutor(len(payers)) as pool:
        assert sum(pool.map(spend, payers)) == 16  # 48 of 50
    window = BudgetWindow.objects.get(budget=budget)
    assert (window.spent_micros, window.held_micros) == (0, 48)
    assert wrong_in_the_ledger() == []
