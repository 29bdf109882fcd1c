"""A limit holds at every level, in every window, to the microcredit."""

from __future__ import annotations

import time

import pytest

from billing import budgets, holds
from billing.ledger.budgets import is_match
from billing.models import Hold, UsageRecord
from billing.values import errors
from billing.values.orders import Placed, Settle
from tests.support.ledger.payers import used, wrong_in_the_ledger
from tests.support.ledger.teams import Team, counts

LEVELS = ["organization", "project", "member", "member_in_project", "key"]
WINDOWS = ["day", "week", "month", "total"]


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


def test_no_pattern_takes_long_under_the_lock() -> None:
    """Whoever may set a limit does not make all calls of the account wait."""
    began = time.process_time()
    for pattern in ("*a" * 90 + "*b", ",".join(["*a*a*a*a*b"] * 18)):
        assert len(pattern) <= budgets.PATTERN_MAX
        assert not is_match(pattern, "a" * 200)
    assert time.process_time() - began < 1


def test_a_limit_may_be_for_one_operation(team: Team) -> None:
    team.limit(5, operation="embeddings")
    assert isinstance(team.place(6), Placed)
    assert refused(team, 6, operation="embeddings").operation == "embeddings"


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
