"""A limit holds at every level, in every window, to the microcredit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from billing import budgets, corrections, holds
from billing.models import Account, Hold, UsageRecord
from billing.models.correction import CorrectionKind
from billing.values import errors
from billing.values.orders import Placed, Settle
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import used, wrong_in_the_ledger
from tests.support.ledger.teams import Team, counts

LEVELS = ["organization", "project", "member", "member_in_project", "key"]
WINDOWS = ["day", "week", "month", "total"]


@pytest.fixture
def team(db: None, clock: Clock) -> Team:
    return Team.open(credits=1000)


def refused(team: Team, bound: int, **particulars: str) -> errors.BudgetExceeded:
    found = team.place(bound, **particulars)
    assert isinstance(found, errors.BudgetExceeded), found
    return found


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("window", WINDOWS)
def test_what_is_spent_and_held_never_passes_a_limit(
    team: Team, level: str, window: str
) -> None:
    budget = team.limit(100, level, window)
    team.call(30)
    held = team.hold(60)
    assert counts(budget) == (30, 60)

    refusal = refused(team, 11)
    assert isinstance(team.place(10), Placed)
    assert (refusal.level, refusal.window, refusal.budget_id) == (
        *(level, window),
        budget.id,
    )
    assert (refusal.limit_micros, refusal.used_micros) == (100, 30)
    assert (refusal.held_micros, refusal.required_micros) == (60, 11)
    assert refusal.is_free_soon
    team.settle(held, 60)
    assert not refused(team, 11).is_free_soon
    assert wrong_in_the_ledger() == []


@pytest.mark.parametrize(
    ("level", "label"),
    [
        ("organization", ""),
        ("project", "search"),
        ("member", "alice"),
        ("member_in_project", "alice in search"),
        ("key", "ci"),
    ],
)
def test_a_refusal_says_whom_the_limit_binds(
    team: Team, level: str, label: str
) -> None:
    team.limit(5, level)
    assert refused(team, 6).label == label


@pytest.mark.parametrize(
    ("level", "is_bound"),
    [
        ("organization", (True, True, True)),
        ("project", (True, True, False)),
        ("member", (True, False, True)),
        ("member_in_project", (True, False, False)),
        ("key", (False, False, False)),
    ],
)
def test_a_limit_binds_whom_it_names_and_nobody_else(
    team: Team, level: str, is_bound: tuple[bool, ...]
) -> None:
    team.limit(100, level)
    team.call(100)
    others = (
        team.colleague(),
        team.colleague(same_holder=False),
        team.colleague(same_project=False),
    )
    found = tuple(isinstance(each.place(1), errors.BudgetExceeded) for each in others)
    assert found == is_bound


def test_a_stranger_is_not_bound(team: Team) -> None:
    for level in LEVELS:
        team.limit(1, level)
    stranger = Team.open(credits=100)
    assert isinstance(stranger.place(100), Placed)


def test_every_limit_that_applies_must_have_room(team: Team) -> None:
    limits = {"key": 50, "member": 40, "project": 30, "organization": 20}
    for level, micros in limits.items():
        team.limit(micros, level, "month")
        team.limit(micros - 10, level, "day")
    assert refused(team, 11).level == "organization"
    assert isinstance(team.place(10), Placed)
    chain = budgets.chain_of(team.spender_id)
    assert len(chain) == 8
    first = chain[0]
    assert (first.level, first.window, first.left_micros) == ("organization", "day", 0)
    assert [link.held_micros for link in chain] == [10] * 8


def test_a_refusal_consumes_nothing(team: Team) -> None:
    tight, wide = team.limit(10, "key"), team.limit(100, "organization")
    refused(team, 11)
    assert (counts(tight), counts(wide)) == ((0, 0), (0, 0))
    assert team.figures() == (1000, 0, 1000)
    assert not Hold.objects.filter(account_id=team.account_id).exists()


def test_what_is_released_comes_back(team: Team) -> None:
    budget = team.limit(10)
    team.release(team.hold(10))
    assert counts(budget) == (0, 0)
    doubted = team.hold(10)
    team.doubt(doubted)
    assert refused(team, 1).held_micros == 10
    team.release(doubted)
    assert isinstance(team.place(10), Placed)


def test_the_hold_is_corrected_at_settlement(team: Team) -> None:
    budget = team.limit(10)
    team.settle(team.hold(10), 3)
    assert counts(budget) == (3, 0)
    assert isinstance(team.place(7), Placed)
    refused(team, 1)


def test_more_than_was_held_passes_the_limit_and_is_flagged(team: Team) -> None:
    budget = team.limit(10)
    within = team.hold(4)
    team.settle(within, 6)
    beyond = team.hold(4)
    team.settle(beyond, 9)
    assert counts(budget) == (15, 0)
    assert UsageRecord.objects.get(hold_id=within).flags == "hold_overrun"
    flags = UsageRecord.objects.get(hold_id=beyond).flags
    assert flags == "hold_overrun budget_overrun"
    assert refused(team, 1).used_micros == 15
    assert wrong_in_the_ledger() == []


def test_the_operators_share_counts_in_no_budget(team: Team) -> None:
    budget = team.limit(2000)
    team.settle(team.hold(10), 1500)
    assert counts(budget) == (1000, 0)


def test_a_limit_below_what_is_spent_refuses_the_next_call(team: Team) -> None:
    team.call(50)
    team.limit(20)
    refusal = refused(team, 1)
    assert (refusal.limit_micros, refusal.used_micros) == (20, 50)


def test_a_day_above_its_month_is_allowed(team: Team) -> None:
    team.limit(100, window="day")
    team.limit(50, window="month")
    assert refused(team, 51).window == "month"
    assert isinstance(team.place(50), Placed)


def test_a_raised_job_needs_room_too(team: Team) -> None:
    budget = team.limit(20)
    hold_id = team.hold(10)
    assert team.entrust(hold_id, 25).held_micros == 10
    assert team.entrust(hold_id, 20).held_micros == 20
    assert counts(budget) == (0, 20)


@pytest.mark.parametrize(
    ("pattern", "model", "is_bound"),
    [
        ("", "openai/gpt-4o", True),
        ("openai/gpt-4o", "openai/gpt-4o", True),
        ("openai/gpt-4o", "openai/gpt-4o-mini", False),
        ("openai/*", "OpenAI/gpt-4o", True),
        ("*gpt*", "openai/gpt-4o", True),
        ("openai/*", "anthropic/claude", False),
        ("anthropic/*, openai/gpt-4*", "openai/gpt-4o", True),
        ("gpt-4o", "openai/gpt-4o", False),
        # Nothing but the star means anything.
        ("openai.gpt-4o", "openai/gpt-4o", False),
        ("openai/gpt-4[o]", "openai/gpt-4o", False),
        ("openai/gpt-4?", "openai/gpt-4o", False),
    ],
)
def test_a_limit_may_be_for_some_models(
    team: Team, pattern: str, model: str, is_bound: bool
) -> None:
    team.limit(5, model_pattern=pattern)
    found = team.place(6, model=model)
    assert isinstance(found, errors.BudgetExceeded) == is_bound


def test_a_limit_may_be_for_one_operation(team: Team) -> None:
    team.limit(5, operation="images")
    assert isinstance(team.place(6), Placed)
    assert refused(team, 6, operation="images").operation == "images"


# --- windows ------------------------------------------------------------------------


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


def test_another_time_zone_counts_the_present_day_anew(
    team: Team, clock: Clock
) -> None:
    clock.moment = datetime(2026, 11, 27, 18, 0, tzinfo=UTC)
    team.limit(100)
    team.call(40)
    clock.moment = datetime(2026, 11, 27, 19, 0, tzinfo=UTC)
    team.call(5)
    team.hold(7)
    budgets.set_time_zone(team.account_id, "Asia/Kolkata")  # began at 18:30
    [link] = budgets.chain_of(team.spender_id)
    assert (link.used_micros, link.held_micros) == (5, 7)
    assert Account.objects.get(id=team.account_id).time_zone == "Asia/Kolkata"
    assert wrong_in_the_ledger() == []


def test_a_clock_that_is_set_back_opens_no_earlier_window(
    team: Team, clock: Clock
) -> None:
    clock.moment = datetime(2026, 11, 28, 0, 0, tzinfo=UTC)
    team.limit(10)
    team.hold(10)
    clock.moment = datetime(2026, 11, 27, 23, 0, tzinfo=UTC)
    refused(team, 1)


# --- later words --------------------------------------------------------------------


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


def test_batches_count_what_they_themselves_change(team: Team) -> None:
    budget = team.limit(100)
    first = team.hold(100)
    outcomes = holds.commit(
        [
            Settle(first, team.account_id, used(40)),
            team.order(60),
            team.order(1),
        ]
    )
    assert isinstance(outcomes[1], Placed)
    assert isinstance(outcomes[2], errors.BudgetExceeded)
    assert counts(budget) == (40, 60)


def test_a_budget_of_yesterday_costs_nothing_today(team: Team, clock: Clock) -> None:
    budget = team.limit(10)
    team.call(10)
    budgets.remove(budget.id)
    assert isinstance(team.place(500), Placed)
    clock.advance(seconds=timedelta(days=1).total_seconds())
    assert budgets.chain_of(team.spender_id) == []
