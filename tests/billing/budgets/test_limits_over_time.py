"""A window is the clock's; a call counts in the one in which it was held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from billing import budgets, corrections
from billing.models import Account
from billing.models.correction import CorrectionKind
from billing.values import errors
from billing.values.orders import Placed
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import wrong_in_the_ledger
from tests.support.ledger.teams import Team, counts


def refused(team: Team, bound: int, **particulars: str) -> errors.BudgetExceeded:
    found = team.place(bound, **particulars)
    assert isinstance(found, errors.BudgetExceeded), found
    return found


def test_a_new_day_has_its_own_room_and_a_call_counts_where_it_was_held(
    team: Team, clock: Clock
) -> None:
    clock.moment = datetime(2026, 11, 27, 23, 59, tzinfo=UTC)
    budget = team.limit(100)
    over_midnight = team.hold(90)
    assert refused(team, 11).resets_at == datetime(2026, 11, 28, tzinfo=UTC)
    clock.advance(minutes=1)
    assert isinstance(team.place(100), Placed)
    team.settle(over_midnight, 80)
    assert counts(budget) == (0, 100)
    first = budget.budgetwindow_set.order_by("starts").first()
    assert first is not None
    assert (first.spent_micros, first.held_micros) == (80, 0)
    assert wrong_in_the_ledger() == []


def test_the_day_is_that_of_the_accounts_time_zone(team: Team, clock: Clock) -> None:
    clock.moment = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
    team.limit(10)
    team.call(10)
    budgets.set_time_zone(team.account_id, "Asia/Kolkata")
    assert refused(team, 1).resets_at == datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
    clock.moment = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
    assert isinstance(team.place(10), Placed)
    assert wrong_in_the_ledger() == []


def test_another_time_zone_makes_no_room(team: Team, clock: Clock) -> None:
    clock.moment = datetime(2026, 11, 27, 18, 0, tzinfo=UTC)
    team.limit(100)
    over = team.hold(20)
    team.call(40)
    clock.moment = datetime(2026, 11, 27, 19, 0, tzinfo=UTC)
    team.call(5)
    team.hold(7)
    budgets.set_time_zone(team.account_id, "Asia/Kolkata")  # began at 18:30
    [link] = budgets.chain_of(team.spender_id)
    assert (link.used_micros, link.held_micros) == (45, 27)
    assert Account.objects.get(id=team.account_id).time_zone == "Asia/Kolkata"
    team.settle(over, 20)
    budgets.set_time_zone(team.account_id, "Asia/Dubai")  # begins at 20:00
    team.limit(99)
    assert refused(team, 28).used_micros == 65
    assert wrong_in_the_ledger() == []
    clock.moment = datetime(2026, 11, 27, 20, 0, tzinfo=UTC)
    assert isinstance(team.place(99), Placed)
    assert wrong_in_the_ledger() == []


def test_a_time_zone_whose_day_is_older_counts_all_of_that(
    team: Team, clock: Clock
) -> None:
    clock.moment = datetime(2026, 11, 27, 23, 0, tzinfo=UTC)
    team.limit(100)
    team.call(40)
    clock.advance(hours=2)
    team.call(5)
    budgets.set_time_zone(team.account_id, "America/St_Johns")  # began at 3:30
    assert refused(team, 56).used_micros == 45
    assert wrong_in_the_ledger() == []


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/St_Johns"])
def test_what_never_counted_counts_in_no_time_zone(
    team: Team, clock: Clock, zone: str
) -> None:
    clock.moment = datetime(2026, 11, 27, 18, 0, tzinfo=UTC)
    team.call(40)
    clock.advance(minutes=1)
    team.limit(100, counts_spend_so_far=False)
    clock.advance(minutes=9)
    team.call(5)
    clock.advance(hours=1)
    team.call(6)
    budgets.set_time_zone(team.account_id, zone)
    [link] = budgets.chain_of(team.spender_id)
    assert link.used_micros == 11
    assert wrong_in_the_ledger() == []


@pytest.mark.parametrize("change", ["moved", "from now"])
def test_what_a_run_has_set_aside_stays_so(
    team: Team, clock: Clock, change: str
) -> None:
    """Its calls need no room in the limit that takes the place of the first."""
    clock.moment = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
    team.limit(100)
    run = team.run(60, expires_at=clock.moment + timedelta(days=2))
    run.call(5)
    running = run.hold(10)
    clock.advance(days=1)
    if change == "moved":
        budgets.set_time_zone(team.account_id, "Asia/Kolkata")
    else:
        team.limit(100, counts_spend_so_far=False)
    assert refused(team, 46).held_micros == 55
    team.call(45)
    run.settle(running, 8)
    assert isinstance(run.place(47), Placed)
    assert wrong_in_the_ledger() == []
    run.close()
    [link] = budgets.chain_of(team.spender_id)
    assert (link.used_micros, link.held_micros) == (53, 47)
    assert wrong_in_the_ledger() == []


def test_a_call_whose_run_is_closed_is_part_of_the_run_around_it(
    team: Team, clock: Clock
) -> None:
    clock.moment = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
    team.limit(100)
    run = team.run(60, expires_at=clock.moment + timedelta(days=2))
    inner = run.run(30, expires_at=clock.moment + timedelta(days=2))
    running = inner.hold(10)
    inner.close()
    clock.advance(days=1)
    budgets.set_time_zone(team.account_id, "Asia/Kolkata")
    inner.settle(running, 4)
    [link] = budgets.chain_of(team.spender_id)
    assert (link.used_micros, link.held_micros) == (4, 56)
    assert wrong_in_the_ledger() == []


def test_a_clock_that_is_set_back_opens_no_earlier_window(
    team: Team, clock: Clock
) -> None:
    clock.moment = datetime(2026, 11, 28, 0, 0, tzinfo=UTC)
    team.limit(10)
    team.hold(10)
    clock.moment = datetime(2026, 11, 27, 23, 0, tzinfo=UTC)
    refused(team, 1)


def test_a_refund_makes_room_where_the_call_was_held(team: Team, clock: Clock) -> None:
    clock.moment = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
    budget = team.limit(100)
    hold_id = team.call(100)
    clock.advance(days=1)
    team.call(10)
    corrections.post(
        UUID(hold_id), CorrectionKind.REFUND, 30, reference="1", reason="goodwill"
    )
    windows = budget.budgetwindow_set.order_by("starts")
    assert [each.spent_micros for each in windows] == [70, 10]
    assert wrong_in_the_ledger() == []


def test_a_late_price_counts_where_the_call_was_held(team: Team) -> None:
    budget = team.limit(100)
    hold_id = team.hold(50)
    team.release(hold_id)
    assert counts(budget) == (0, 0)
    corrections.post(
        UUID(hold_id), CorrectionKind.ADJUSTMENT, 120, reference="1", reason="invoice"
    )
    assert counts(budget) == (120, 0)
    refused(team, 1)
    assert wrong_in_the_ledger() == []


def test_a_budget_of_yesterday_costs_nothing_today(team: Team, clock: Clock) -> None:
    budget = team.limit(10)
    team.call(10)
    budgets.remove(budget.id)
    assert isinstance(team.place(500), Placed)
    clock.advance(seconds=timedelta(days=1).total_seconds())
    assert budgets.chain_of(team.spender_id) == []
