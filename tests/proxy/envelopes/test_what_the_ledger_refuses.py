"""Whatever the ledger refuses of a run has an answer: none of it is a fault of ours."""

from __future__ import annotations

import inspect
import uuid

import pytest

from billing import envelopes
from billing.values import errors
from portal.tenants.keys import Identity
from proxy.views.envelopes import _refusal

WHO = Identity(uuid.uuid4(), 1, 1, "acme", None, "laptop")
MICROS = {"required_micros": 3, "held_micros": 1}
REFUSED: dict[errors.Refusal, str] = {
    errors.AccountClosed(): "organization_suspended",
    errors.SpenderClosed(): "key_revoked",
    errors.EnvelopeClosed(): "envelope_closed",
    errors.DebtUnpaid(5): "debt_unpaid",
    errors.HoldExists(): "idempotency_mismatch",
    errors.UnknownHold(): "envelope_not_found",
    errors.InsufficientCredits(available_micros=1, **MICROS): "insufficient_credits",
    errors.CreditsOnHold(available_micros=1, **MICROS): "credits_on_hold",
    errors.EnvelopeExhausted(
        envelope_id="ab", required_micros=3, left_micros=1, parent_left_micros=1
    ): "envelope_exhausted",
    errors.TooManyRuns(2): "too_many_envelopes",
    errors.WindowEnded(
        level="key", label="laptop", window="day"
    ): "envelope_window_ended",
    errors.BudgetExceeded(
        budget_id=1,
        level="key",
        label="laptop",
        window="day",
        model_pattern="",
        operation="",
        limit_micros=2,
        used_micros=2,
        resets_at=None,
        **MICROS,
    ): "budget_exceeded",
}


@pytest.mark.parametrize("error", REFUSED, ids=lambda error: type(error).__name__)
def test_it_is_answered(error: errors.Refusal) -> None:
    answer = _refusal(error, WHO)
    assert answer is not None
    assert answer.code == REFUSED[error]


def test_these_are_all() -> None:
    """That the two acts say they raise."""
    acts = (envelopes.open_envelope, envelopes.add_credits)
    said = " ".join(inspect.getdoc(act) or "" for act in acts)
    kinds = [each for each in vars(errors).values() if inspect.isclass(each)]
    refusals = {each for each in kinds if issubclass(each, errors.Refusal)}
    named = {each for each in refusals if each.__name__ in said}
    assert named - {errors.Refusal} == {type(error) for error in REFUSED}
