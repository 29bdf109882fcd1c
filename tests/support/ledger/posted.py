"""Corrections in few words, and what they leave behind."""

from __future__ import annotations

from uuid import UUID

from billing import corrections
from billing.corrections import Posted
from billing.models import Hold, Transfer, UsageRecord, UsageRollup
from billing.models.correction import CorrectionKind
from tests.support.ledger.payers import Payer


def post(
    hold_id: str, kind: CorrectionKind, micros: int, reference: str = "1"
) -> Posted:
    return corrections.post(
        UUID(hold_id), kind, micros, reference=reference, reason="the invoice"
    )


def sums(customer: Payer) -> tuple[int, ...]:
    """Of the hourly sums: calls, tokens, charged, borne by the operator."""
    rows = UsageRollup.objects.filter(account_id=customer.account_id)
    names = ("requests", "prompt_tokens", "charged_micros", "absorbed_micros")
    return tuple(sum(getattr(row, name) for row in rows) for name in names)


def first_words(hold_id: str) -> list[object]:
    """Everything that the call's end has written."""
    return [
        Hold.objects.values().get(id=hold_id),
        list(UsageRecord.objects.filter(hold_id=hold_id).values()),
        list(
            Transfer.objects.filter(hold_id=hold_id, correction_id=None)
            .order_by("id")
            .values()
        ),
    ]
