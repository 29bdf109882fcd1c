"""Each call names the windows that it has to: seen though its own word is sealed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from billing import budgets
from billing.ledger.budgets import BudgetRow, Budgets
from billing.verification.budget_names import wrong_names
from tests.support.ledger.clocks import Clock
from tests.support.ledger.teams import Team


def codes() -> list[str]:
    return [each.code for each in wrong_names()]


def test_a_ledger_that_forgets_a_limit_is_found(
    team: Team, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    team.limit(100)
    clock.advance(seconds=1)
    team.call(5)
    assert codes() == []
    monkeypatch.setattr(Budgets, "room_for", lambda *_: [])
    team.call(5)
    assert codes() == ["BUDGET_NOT_NAMED"]


def test_a_ledger_that_counts_in_yesterdays_window_is_found(
    team: Team, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    team.limit(100)
    team.call(5)
    first = BudgetRow.pair_at
    opened = clock.moment
    clock.advance(days=1)
    monkeypatch.setattr(BudgetRow, "pair_at", lambda row, _: first(row, opened))
    team.call(5)
    assert codes() == ["BUDGET_WINDOW"]


def test_what_is_right_is_not_found(team: Team, clock: Clock) -> None:
    """Runs over midnight, a clock that was set back, limits that came, went and moved,
    calls for something else."""
    clock.moment = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
    team.call(5)
    team.limit(500)
    team.limit(500, "project", "week", counts_spend_so_far=False)
    team.limit(500, "organization", model_pattern="images/*")
    run = team.run(60, expires_at=clock.moment + timedelta(days=3))
    clock.advance(days=1)
    run.call(5)
    team.call(5)
    budgets.remove(team.limit(500, "member").id)
    budgets.set_time_zone(team.account_id, "Asia/Kolkata")
    run.call(5)
    clock.advance(days=1)
    team.call(5)
    clock.advance(days=-1)
    team.hold(5)
    assert codes() == []
