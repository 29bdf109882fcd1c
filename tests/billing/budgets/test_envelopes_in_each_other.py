"""Runs inside runs: each reserves out of the one around it, and gives back to it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from billing import envelopes
from billing.models.correction import CorrectionKind
from billing.values import clock as clocks
from billing.values import errors
from tests.support.ledger.payers import wrong_in_the_ledger
from tests.support.ledger.posted import post
from tests.support.ledger.teams import Run, Team, counts, outcome


def test_runs_inside_runs_reserve_out_of_each_other(team: Team) -> None:
    budget = team.limit(500)
    outer = team.run(100)
    middle = outer.run(60)
    inner = middle.run(50)
    assert (outer.left, middle.left, inner.left) == (40, 10, 50)
    assert team.figures() == (1000, 100, 900)
    refusal = middle.place(11)
    assert isinstance(refusal, errors.EnvelopeExhausted)
    assert refusal.parent_left_micros == 40
    inner.call(20)
    assert outer.now() == (100, 40, 40, 20)
    assert counts(budget) == (20, 80)
    middle.close()
    assert outer.now() == (100, 80, 0, 20)
    assert outcome(inner, 1) == "EnvelopeClosed"
    assert outcome(middle, 1) == "EnvelopeClosed"
    assert outcome(outer, 80) == "Placed"
    assert wrong_in_the_ledger() == []


def test_what_runs_in_a_closed_run_returns_to_the_one_around_it(team: Team) -> None:
    budget = team.limit(500)
    outer = team.run(100)
    inner = outer.run(60)
    hold_id = inner.hold(50)
    inner.close()
    assert outer.left == 50
    inner.settle(hold_id, 20)
    assert outer.left == 80
    assert counts(budget) == (20, 80)
    outer.close()
    assert team.figures() == (980, 0, 980)
    assert wrong_in_the_ledger() == []


def test_a_charge_above_its_hold_is_taken_from_the_run_then_from_around_it(
    team: Team,
) -> None:
    budget = team.limit(500)
    outer = team.run(100)
    inner = outer.run(60)
    resolved = inner.settle(inner.hold(10), 40)
    assert (resolved.charged_micros, inner.left, outer.left) == (40, 20, 40)
    assert counts(budget) == (40, 60)
    inner.settle(inner.hold(10), 55)
    assert (inner.left, outer.left) == (0, 5)
    assert counts(budget) == (95, 5)
    inner.release(outer.hold(5))
    outer.settle(outer.hold(5), 25)
    assert (outer.left, team.figures()) == (0, (880, 0, 880))
    assert counts(budget) == (120, 0)
    assert wrong_in_the_ledger() == []


def test_credits_may_be_added_if_there_is_room(team: Team, run: Run) -> None:
    budget = team.limit(250)
    envelopes.add_credits(run.envelope_id, 150)
    assert run.now() == (250, 250, 0, 0)
    with pytest.raises(errors.BudgetExceeded):
        envelopes.add_credits(run.envelope_id, 1)
    inner = run.run(200)
    envelopes.add_credits(inner.envelope_id, 50)
    assert (inner.left, run.left, counts(budget)) == (250, 0, (0, 250))
    with pytest.raises(errors.EnvelopeExhausted):
        envelopes.add_credits(inner.envelope_id, 1)
    other = Team.open(credits=5).run(5)
    with pytest.raises(errors.InsufficientCredits):
        envelopes.add_credits(other.envelope_id, 1)
    assert wrong_in_the_ledger() == []


def test_credits_that_are_expected_are_added_once(run: Run) -> None:
    for _ in range(2):
        envelopes.add_credits(run.envelope_id, 50, expected_micros=100)
    assert run.now() == (150, 150, 0, 0)


def test_it_is_opened_once(team: Team) -> None:
    again: dict[str, Any] = {"expires_at": clocks.now() + timedelta(hours=1)}
    envelope_id = uuid.uuid4()
    first = envelopes.open_envelope(envelope_id, team.spender_id, 100, **again)
    assert envelopes.open_envelope(envelope_id, team.spender_id, 100, **again) == first
    assert team.figures() == (1000, 100, 900)
    with pytest.raises(errors.HoldExists):
        envelopes.open_envelope(envelope_id, team.colleague().spender_id, 100, **again)
    with pytest.raises(errors.HoldExists):
        envelopes.open_envelope(uuid.UUID(team.hold(5)), team.spender_id, 100, **again)


def test_it_ends_with_its_parent_at_the_latest(team: Team, run: Run) -> None:
    inner = run.run(10, expires_at=clocks.now() + timedelta(days=9))
    found = envelopes.look(inner.envelope_id)
    assert found.expires_at == envelopes.look(run.envelope_id).expires_at
    assert found.parent_envelope_id == run.envelope_id
    found_all = envelopes.look_at_all(team.spender_id)
    assert [each.envelope_id for each in found_all] == [run.envelope_id]


def test_a_price_that_comes_late_is_paid_by_the_run(team: Team) -> None:
    """By the innermost first, then those around it, then what is available."""
    budget = team.limit(300)
    outer = team.run(50)
    inner = outer.run(30)
    hold_id = inner.hold(10)
    inner.settle(hold_id, 5)
    post(hold_id, CorrectionKind.LATE, 25)
    assert (inner.left, outer.left) == (5, 20)
    assert team.figures() == (975, 25, 950)
    assert counts(budget) == (25, 25)
    assert wrong_in_the_ledger() == []
    post(hold_id, CorrectionKind.LATE, 60, "2")
    assert (inner.left, outer.left) == (0, 0)
    assert team.figures() == (940, 0, 940)
    assert counts(budget) == (60, 0)
    assert wrong_in_the_ledger() == []


def test_a_run_that_has_ended_pays_for_no_late_price(team: Team, run: Run) -> None:
    hold_id = run.call(10)
    run.close()
    post(hold_id, CorrectionKind.LATE, 25)
    assert team.figures() == (975, 0, 975)
    assert wrong_in_the_ledger() == []
