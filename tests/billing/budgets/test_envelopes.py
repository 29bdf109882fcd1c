"""A run's credits are set aside, spent by its own key, and come back."""

from __future__ import annotations

from datetime import timedelta

from billing import envelopes, holds
from billing.models import Hold
from billing.values import clock as clocks
from billing.values import errors
from billing.values.orders import Entrust, Placed
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import committed, wrong_in_the_ledger
from tests.support.ledger.teams import Run, Team, counts, outcome


def test_its_credits_are_set_aside_at_once(team: Team) -> None:
    budget = team.limit(300, "organization")
    run = team.run(100)
    assert team.figures() == (1000, 100, 900)
    assert counts(budget) == (0, 100)
    assert run.now() == (100, 100, 0, 0)
    assert outcome(team, 201) == "BudgetExceeded"
    assert outcome(team, 200) == "Placed"
    assert wrong_in_the_ledger() == []


def test_its_calls_are_paid_from_it_and_count_once(team: Team) -> None:
    budgets = [team.limit(300, each) for each in ("organization", "member", "key")]
    run = team.run(100)
    hold_id = run.hold(60)
    assert run.now() == (100, 40, 60, 0)
    assert team.figures() == (1000, 100, 900)
    assert [counts(each) for each in budgets] == [(0, 100)] * 3
    run.settle(hold_id, 25)
    assert run.now() == (100, 75, 0, 25)
    assert team.figures() == (975, 75, 900)
    assert [counts(each) for each in budgets] == [(25, 75)] * 3
    assert wrong_in_the_ledger() == []


def test_it_refuses_at_its_limit_with_what_is_left(team: Team, run: Run) -> None:
    run.hold(60)
    refusal = run.place(41)
    assert isinstance(refusal, errors.EnvelopeExhausted)
    assert (refusal.required_micros, refusal.left_micros) == (41, 40)
    assert refusal.parent_left_micros == 900
    assert isinstance(run.place(40), Placed)


def test_what_is_unused_comes_back_when_it_is_closed(team: Team) -> None:
    budget = team.limit(100)
    run = team.run(100)
    run.call(30)
    run.close()
    assert team.figures() == (970, 0, 970)
    assert counts(budget) == (30, 0)
    assert outcome(team, 71) == "BudgetExceeded"
    assert outcome(team, 70) == "Placed"
    assert outcome(run, 1) == "EnvelopeClosed"
    found = envelopes.look(run.envelope_id)
    assert (found.status, found.left_micros, found.spent_micros) == ("closed", 70, 30)
    run.close()
    assert wrong_in_the_ledger() == []


def test_a_call_that_ends_after_it_gives_back_to_the_account(team: Team) -> None:
    budget = team.limit(100)
    run = team.run(100)
    hold_id = run.hold(60)
    run.close()
    assert team.figures() == (1000, 60, 940)
    assert counts(budget) == (0, 60)
    run.settle(hold_id, 25)
    assert team.figures() == (975, 0, 975)
    assert counts(budget) == (25, 0)
    assert wrong_in_the_ledger() == []


def test_it_expires_by_itself(team: Team, clock: Clock, run: Run) -> None:
    clock.advance(minutes=59)
    assert envelopes.expire_due() == 0
    run.hold(10)
    clock.advance(minutes=1)
    assert outcome(run, 1) == "EnvelopeClosed"
    assert envelopes.look(run.envelope_id).status == "expired"
    assert team.figures() == (1000, 10, 990)


def test_the_timetable_closes_what_has_expired(
    team: Team, clock: Clock, run: Run
) -> None:
    clock.advance(hours=1)
    assert team.figures() == (1000, 100, 900)
    assert envelopes.expire_due() == 1
    assert envelopes.expire_due() == 0
    assert team.figures() == (1000, 0, 1000)
    assert wrong_in_the_ledger() == []


def test_the_next_hold_of_the_account_has_what_has_expired(
    team: Team, clock: Clock
) -> None:
    budget = team.limit(1000)
    run = team.run(900)
    inner = run.run(500)
    clock.advance(hours=1)
    assert isinstance(team.place(1000), Placed)
    assert counts(budget) == (0, 1000)
    for each in (run, inner):
        assert Hold.objects.get(id=each.envelope_id).reason == "expired"
    assert wrong_in_the_ledger() == []


def test_the_sweep_leaves_it_alone(team: Team, clock: Clock, run: Run) -> None:
    clock.advance(hours=2)
    swept = holds.sweep(in_doubt_after=timedelta(0))
    assert swept == {"doubted": 0, "closed": 0}
    assert Hold.objects.get(id=run.envelope_id).state == "open"


def test_a_job_of_a_run_is_raised_from_it(team: Team, run: Run) -> None:
    hold_id = run.hold(10)
    due_at = clocks.now() + timedelta(days=1)
    committed(Entrust(hold_id, team.account_id, due_at, 50))
    assert run.now() == (100, 50, 50, 0)
    committed(Entrust(hold_id, team.account_id, due_at, 120))
    assert run.now() == (100, 50, 50, 0)
    assert team.figures() == (1000, 100, 900)
    assert wrong_in_the_ledger() == []


def test_limits_that_it_does_not_count_in_bind_its_calls(team: Team) -> None:
    images = team.limit(20, model_pattern="images/*")
    run = team.run(100)
    assert counts(images) == (0, 0)
    assert isinstance(run.place(21, model="images/x"), errors.BudgetExceeded)
    held = run.hold(20, model="images/x")
    assert counts(images) == (0, 20)
    assert run.left == 80
    run.settle(held, 5)
    assert counts(images) == (5, 0)
    later = team.limit(30, "organization", counts_spend_so_far=False)
    run.hold(30)
    assert counts(later) == (0, 30)
    assert isinstance(run.place(1), errors.BudgetExceeded)
    own = run.limit(3)
    assert isinstance(run.place(4), errors.BudgetExceeded)
    assert counts(own) == (5, 30)
    assert wrong_in_the_ledger() == []


def test_a_new_limit_counts_runs_and_their_calls(team: Team) -> None:
    run = team.run(100)
    inner = run.run(40)
    inner.call(10)
    held = inner.hold(15)
    budget = team.limit(500)
    assert counts(budget) == (10, 90)
    inner.settle(held, 5)
    run.close()
    assert counts(budget) == (15, 0)
    assert wrong_in_the_ledger() == []


def test_it_counts_in_the_window_in_which_it_was_opened(
    team: Team, clock: Clock
) -> None:
    clock.moment = clock.moment.replace(hour=23, minute=30)
    budget = team.limit(100)
    run = team.run(100)
    clock.advance(minutes=45)
    run.call(60)
    assert counts(budget) == (60, 40)
    assert isinstance(team.place(100), Placed)
    run.close()
    windows = budget.budgetwindow_set.order_by("starts")
    figures = [(each.spent_micros, each.held_micros) for each in windows]
    assert figures == [(60, 0), (0, 100)]
    assert wrong_in_the_ledger() == []


def test_grants_that_expire_still_pay_for_it(team: Team, clock: Clock) -> None:
    customer = Team.open()
    customer.grant(30, expires_at=clock.moment + timedelta(minutes=5))
    customer.grant(50)
    run = customer.run(60)
    first = run.hold(30)
    clock.advance(minutes=10)
    run.settle(first, 10)
    run.call(20)
    run.call(30)
    assert customer.lots() == [(0, 0), (20, 0)]
    assert run.now() == (60, 0, 0, 60)
    assert wrong_in_the_ledger() == []
