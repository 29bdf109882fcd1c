"""A run as it stands: what is left of it, and what was spent in it and inside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, Sum

from billing.ledger import dialect
from billing.models import Correction, Envelope, Hold, UsageRecord
from billing.models.correction import CorrectionState
from billing.models.hold import UNRESOLVED, HoldState


@dataclass(frozen=True, slots=True)
class Run:
    """An envelope as it stands now; amounts in microcredits."""

    envelope_id: UUID  # its hold's
    account_id: int
    spender_id: int  # who spends it
    parent_spender_id: int
    parent_envelope_id: UUID | None  # of which it is part
    label: str
    model_pattern: str
    credits_micros: int  # all that was put in
    left_micros: int  # free for new calls; after its end, what was given back
    held_micros: int  # by its open calls and the envelopes inside it
    spent_micros: int  # by its own calls and those inside it, corrections too
    created_at: datetime
    expires_at: datetime
    closed_at: datetime | None  # closed or expired
    status: str  # "open", "closed" or "expired"


def inside_of(envelope_id: UUID) -> list[UUID]:
    """It and the envelopes inside it, whatever became of them, outside in."""
    found, level = [envelope_id], [envelope_id]
    while level:
        inner = Hold.objects.filter(envelope_id__in=level, is_envelope=True)
        level = list(inner.order_by("id").values_list("id", flat=True))
        found += level
    return found


def described(found: Envelope) -> Run:
    """Of its row, as it is written now."""
    hold, inside = found.hold, inside_of(found.hold_id)
    held = Hold.objects.filter(
        Q(envelope_id__in=inside), is_envelope=False, state__in=UNRESOLVED
    )
    inner = Hold.objects.filter(
        id__in=[each for each in inside if each != found.hold_id], state=HoldState.OPEN
    )
    status = "open" if hold.state == HoldState.OPEN else hold.reason
    if status == "open" and hold.due_at <= dialect.now():
        status = "expired"  # the next hold of the account, or the timetable, closes it
    return Run(
        envelope_id=found.hold_id,
        account_id=found.account_id,
        spender_id=found.spender_id,
        parent_spender_id=found.parent_id,
        parent_envelope_id=hold.envelope_id,
        label=found.label,
        model_pattern=found.model_pattern,
        credits_micros=hold.bound_micros,
        left_micros=hold.amount_micros,
        held_micros=_sum(held, "amount_micros") + _sum(inner, "amount_micros"),
        spent_micros=_spent(inside),
        created_at=found.created_at,
        expires_at=hold.due_at,
        closed_at=hold.changed_at,
        status=status,
    )


def _spent(inside: list[UUID]) -> int:
    calls = UsageRecord.objects.filter(hold__envelope_id__in=inside)
    words = Correction.objects.filter(
        hold__envelope_id__in=inside, state=CorrectionState.POSTED
    )
    return _sum(calls, "charged_micros") + _sum(words, "charged_micros")


def _sum(rows: object, column: str) -> int:
    found: int | None = rows.aggregate(sum=Sum(column))["sum"]  # type: ignore[attr-defined]  # a query set
    return int(found or 0)
