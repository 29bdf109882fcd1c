"""A limit that is new, or another, counts what was spent and is held, or none of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from billing import budgets, corrections
from billing.budgets import Subject
from billing.models import Account, Budget, BudgetRaise
from billing.models.budget import Level, Window
from billing.models.correction import CorrectionKind
from billing.values import errors
from billing.values.orders import Placed
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import wrong_in_the_ledger
from tests.support.ledger.teams import Team, counts


@pytest.fixture
def team(db: None, clock: Clock) -> Team:
    clock.moment = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
    return Team.open(credits=1000)


def is_refused(team: Team, bound: int, **particulars: str) -> bool:
    return isinstance(team.place(bound, **particulars), errors.BudgetExceeded)


@pytest.mark.parametrize("level", list(Level))
def test_it_may_count_what_was_spent_and_is_held(
    team: Team, clock: Clock, level: str
) -> None:
    stranger = team.colleague(same_project=False, same_holder=False)
    team.call(400)
    clock.advance(days=1)
    team.call(30)
    running = team.hold(20)
    stranger.call(7)
    budget = team.limit(100, level)
    of_others = 7 if level == "organization" else 0
    assert counts(budget) == (30 + of_others, 20)
    team.settle(running, 15)
    assert counts(budget) == (45 + of_others, 0)
    assert is_refused(team, 56 - of_others)
    assert isinstance(team.place(55 - of_others), Placed)
    assert wrong_in_the_ledger() == []


def test_it_may_count_nothing_before_it(team: Team) -> None:
    team.call(30)
    running = team.hold(20)
    budget = team.limit(100, counts_spend_so_far=False)
    assert counts(budget) == (0, 0)
    team.settle(running, 20)
    assert isinstance(team.place(100), Placed)
    assert counts(budget) == (0, 100)
    assert wrong_in_the_ledger() == []


def test_it_counts_what_it_is_for(team: Team) -> None:
    team.call(30)
    team.hold(20)
    assert counts(team.limit(100, model_pattern="anthropic/*")) == (0, 0)
    assert counts(team.limit(100, model_pattern="openai/*")) == (30, 20)
    assert counts(team.limit(100, operation="embeddings")) == (0, 0)
    assert wrong_in_the_ledger() == []


def test_total_counts_everything_there_ever_was(team: Team, clock: Clock) -> None:
    team.call(30)
    clock.advance(days=400)
    team.call(20)
    assert counts(team.limit(100, window="total")) == (50, 0)


def test_a_corrected_call_counts_as_it_was_corrected(team: Team) -> None:
    refunded, later = team.call(30), team.call(40)
    corrections.post(
        UUID(refunded), CorrectionKind.REFUND, 10, reference="1", reason="goodwill"
    )
    budget = team.limit(100)
    assert counts(budget) == (60, 0)
    corrections.post(
        UUID(later), CorrectionKind.REFUND, 5, reference="2", reason="goodwill"
    )
    assert counts(budget) == (55, 0)
    assert wrong_in_the_ledger() == []


def test_a_correction_of_what_it_never_counted_changes_nothing(team: Team) -> None:
    hold_id = team.call(30)
    budget = team.limit(100, counts_spend_so_far=False)
    corrections.post(
        UUID(hold_id), CorrectionKind.ADJUSTMENT, 80, reference="1", reason="invoice"
    )
    assert counts(budget) == (0, 0)
    assert wrong_in_the_ledger() == []


# --- another limit ------------------------------------------------------------------


def test_another_limit_takes_the_place_of_the_first(team: Team) -> None:
    first = team.limit(100)
    team.call(60)
    second = team.limit(70)
    assert second.id == first.id
    assert counts(second) == (60, 0)
    assert is_refused(team, 11)
    assert len(budgets.of_account(team.account_id)) == 1


def test_another_limit_may_begin_at_nothing(team: Team) -> None:
    first = team.limit(100)
    team.call(60)
    running = team.hold(40)
    second = team.limit(100, counts_spend_so_far=False)
    assert isinstance(team.place(100), Placed)
    team.settle(running, 40)
    assert (counts(first), counts(second)) == ((100, 0), (0, 100))
    third = team.limit(300)
    assert counts(third) == (100, 100)
    assert len(budgets.of_account(team.account_id)) == 1
    assert wrong_in_the_ledger() == []


# --- raises ------------------------------------------------------------------------


def test_a_raise_lasts_until_its_end(team: Team, clock: Clock) -> None:
    budget = team.limit(100, window="total")
    team.call(100)
    until = clock.moment + timedelta(hours=1)
    budgets.raise_limit(budget.id, 50, until=until)
    team.call(30)
    [link] = budgets.chain_of(team.spender_id)
    assert (link.limit_micros, link.raised_micros, link.left_micros) == (150, 50, 20)
    assert is_refused(team, 21)
    clock.moment = until
    assert is_refused(team, 1)


def test_a_raise_can_be_taken_back_and_two_add_up(team: Team, clock: Clock) -> None:
    budget = team.limit(100)
    until = clock.moment + timedelta(hours=1)
    first = budgets.raise_limit(budget.id, 50, until=until)
    budgets.raise_limit(budget.id, 7, until=until)
    assert is_refused(team, 158)
    team.release(team.hold(157))
    budgets.end_raise(first.id)
    assert is_refused(team, 108)
    assert isinstance(team.place(107), Placed)
    with pytest.raises(BudgetRaise.DoesNotExist):
        budgets.end_raise(first.id)


def test_a_raise_stays_with_the_limit_that_follows(team: Team, clock: Clock) -> None:
    budget = team.limit(100)
    budgets.raise_limit(budget.id, 50, until=clock.moment + timedelta(hours=1))
    team.limit(10, counts_spend_so_far=False)
    assert isinstance(team.place(60), Placed)
    assert is_refused(team, 1)


# --- bad input ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "micros", [0, -1, 1.5, float("nan"), "5", True, None, 10**15 + 1]
)
def test_senseless_amounts_are_refused(team: Team, clock: Clock, micros: Any) -> None:
    with pytest.raises(ValueError, match="amount"):
        team.limit(micros)
    budget = team.limit(100)
    with pytest.raises(ValueError, match="amount"):
        budgets.raise_limit(budget.id, micros, until=clock.moment + timedelta(days=1))
    assert Budget.objects.filter(account_id=team.account_id).count() == 1
    assert not BudgetRaise.objects.exists()


@pytest.mark.parametrize(
    "terms",
    [
        {"window": "year"},
        {"window": ""},
        {"model_pattern": "a" * 201},
        {"model_pattern": "gpt,,x"},
        {"model_pattern": "a\nb"},
        {"model_pattern": 7},
        {"operation": "o" * 33},
        {"operation": "chat"},  # it is chat.completions: this would bind nothing
        {"operation": "*"},
        {"counts_spend_so_far": 1},
    ],
)
def test_senseless_terms_are_refused(team: Team, terms: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"window": Window.DAY, "counts_spend_so_far": True}
    subject = team.subject("key")
    with pytest.raises(ValueError, match=r"\w"):
        budgets.set_limit(team.account_id, subject, limit_micros=5, **(usual | terms))
    assert budgets.of_account(team.account_id) == []


def test_whom_it_binds_must_be_the_accounts(team: Team) -> None:
    stranger = Team.open()
    subjects = [
        stranger.subject("project"),
        stranger.subject("member"),
        stranger.subject("key"),
        Subject(Level.PROJECT, project_id=team.holder_id),
        Subject(Level.MEMBER, holder_id=team.project_id),
        Subject(Level.PROJECT),
        Subject(Level.ORGANIZATION, project_id=team.project_id),
        Subject(Level.KEY, project_id=team.project_id, spender_id=team.spender_id),
        Subject("galaxy"),  # type: ignore[arg-type]  # that is what it is about
    ]
    for subject in subjects:
        with pytest.raises(ValueError, match="binds"):
            budgets.set_limit(
                team.account_id, subject, Window.DAY, 5, counts_spend_so_far=True
            )
    with pytest.raises(Account.DoesNotExist):
        budgets.set_limit(
            0, team.subject("key"), Window.DAY, 5, counts_spend_so_far=True
        )
    assert budgets.of_account(team.account_id) == []


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "utc+1", 5])
def test_an_unknown_time_zone_is_refused(team: Team, name: Any) -> None:
    with pytest.raises(ValueError, match="time zone"):
        budgets.set_time_zone(team.account_id, name)


def test_a_raise_needs_an_end_ahead_and_a_limit_in_force(
    team: Team, clock: Clock
) -> None:
    budget = team.limit(100)
    with pytest.raises(ValueError, match="future"):
        budgets.raise_limit(budget.id, 5, until=clock.moment)
    budgets.remove(budget.id)
    with pytest.raises(Budget.DoesNotExist):
        budgets.raise_limit(budget.id, 5, until=clock.moment + timedelta(days=1))
    with pytest.raises(Budget.DoesNotExist):
        budgets.remove(budget.id)


@pytest.mark.parametrize(
    "change",
    [
        "limit_micros = 0",
        "limit_micros = -1",
        "\"window\" = 'year'",
        "level = 'galaxy'",
        "level = 'project'",
        "project_id = 1",
    ],
)
def test_the_database_refuses_it_too(team: Team, change: str) -> None:
    budget = team.limit(100)
    with (
        pytest.raises(IntegrityError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"UPDATE billing_budget SET {change} WHERE id = %s", [budget.id])
