"""A run has what was set aside for it, though another limit takes the place of one in
which it counts."""

from __future__ import annotations

from datetime import timedelta

from billing import budgets
from billing.values import clock as clocks
from billing.values import errors
from billing.values.orders import Placed
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import wrong_in_the_ledger
from tests.support.ledger.teams import Team, outcome


def test_yesterdays_run_keeps_its_credits_in_another_time_zone(
    team: Team, clock: Clock
) -> None:
    clock.advance(hours=14)  # half past twelve
    team.limit(100)
    expires_at = clocks.now() + timedelta(days=3)
    run = team.run(80, expires_at=expires_at)
    inner = run.run(30, expires_at=expires_at)
    held = inner.hold(20)
    run.call(10)
    clock.advance(days=1)
    budgets.set_time_zone(team.account_id, "Asia/Kolkata")
    [link] = budgets.chain_of(team.spender_id)
    assert (link.used_micros, link.held_micros) == (0, 70)
    assert outcome(team, 31) == "BudgetExceeded"
    assert isinstance(team.place(30), Placed)
    run.hold(40)
    inner.hold(10)
    assert isinstance(inner.place(1), errors.EnvelopeExhausted)
    inner.settle(held, 5)
    [link] = budgets.chain_of(team.spender_id)
    assert (link.used_micros, link.held_micros) == (5, 95)
    assert inner.left == 15
    assert wrong_in_the_ledger() == []
