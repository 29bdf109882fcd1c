"""Single calls, running or finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from billing.models import Hold, UsageRecord
from billing.models.hold import HoldState


@dataclass(frozen=True, slots=True)
class CallReport:
    """One call, running or finished. `charged_micros` is None while nobody knows."""

    request_id: str
    placed_at: datetime
    state: str
    operation: str
    model: str
    spender_id: int
    spender_label: str
    held_micros: int
    charged_micros: int | None
    basis: str
    prompt_tokens: int
    completion_tokens: int
    reason: str
    duration_ms: int
    streamed: bool
    ended_at: datetime | None  # or came to doubt
    price_micros: int | None  # charged, and what the operator bears of it
    flags: str


def latest_calls(
    account_id: int, *, limit: int = 20, spender_ids: Sequence[int] | None = None
) -> list[CallReport]:
    """The newest calls first; `spender_ids` narrows them to those keys."""
    holds = _holds().filter(account_id=account_id)
    if spender_ids is not None:
        holds = holds.filter(spender_id__in=spender_ids)
    return [_call(hold) for hold in holds.order_by("-placed_at")[:limit]]


def find_call(account_id: int, hold_id: UUID) -> CallReport | None:
    """One call of this account; None for anybody else's."""
    hold = _holds().filter(id=hold_id, account_id=account_id).first()
    return _call(hold) if hold else None


def calls_in_doubt() -> list[CallReport]:
    """Calls that nobody knows the end of, of every account, the longest first."""
    holds = _holds().filter(state=HoldState.IN_DOUBT)
    return [_call(hold) for hold in holds.order_by("changed_at", "id")]


def charge_of(hold_id: UUID) -> tuple[int | None, str]:
    """What was charged for a hold, in micros, and on what basis; None: nothing yet."""
    record = UsageRecord.objects.filter(hold_id=hold_id).first()
    return (record.charged_micros, record.basis) if record else (None, "")


def _holds() -> QuerySet[Hold]:
    return Hold.objects.select_related("spender", "usage")


def _call(hold: Hold) -> CallReport:
    usage: UsageRecord | None = getattr(hold, "usage", None)
    nothing_charged = 0 if hold.state == "released" else None
    return CallReport(
        request_id=f"req_{hold.id.hex}",
        placed_at=hold.placed_at,
        state=hold.state,
        operation=hold.operation,
        model=hold.model,
        spender_id=hold.spender_id,
        spender_label=hold.spender.label,
        held_micros=hold.amount_micros,
        charged_micros=usage.charged_micros if usage else nothing_charged,
        basis=usage.basis if usage else "",
        prompt_tokens=usage.prompt_tokens if usage else 0,
        completion_tokens=usage.completion_tokens if usage else 0,
        reason=hold.reason,
        duration_ms=usage.duration_ms if usage else 0,
        streamed=usage.streamed if usage else False,
        ended_at=hold.changed_at,
        price_micros=usage.price_micros if usage else nothing_charged,
        flags=usage.flags if usage else "",
    )
