"""Single calls, running or finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from billing.models import Correction, Hold, UsageRecord
from billing.models.correction import CorrectionKind, CorrectionState
from billing.models.hold import HoldState
from billing.models.usage import Basis

POSTED = Q(state=CorrectionState.POSTED)


@dataclass(frozen=True, slots=True)
class CallReport:
    """One call, running or finished. `charged_micros` is None while nobody knows."""

    request_id: str
    placed_at: datetime
    state: str
    operation: str
    model: str
    spender_id: int
    spender_label: str  # this and the next two as they were called then
    project_label: str
    holder_label: str
    client: str
    client_version: str
    session: str
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
    project_id: int | None
    holder_id: int | None
    envelope_id: UUID | None  # the run that it was paid from


def find_call(account_id: int, hold_id: UUID) -> CallReport | None:
    """One call of this account; None for anybody else's."""
    hold = _holds().filter(id=hold_id, account_id=account_id).first()
    return _call(hold) if hold else None


def calls_with(hold_ids: Sequence[UUID]) -> list[CallReport]:
    """Those calls, of whatever account, in this order; what is no call is left out."""
    found = {hold.id: _call(hold) for hold in _holds().filter(id__in=hold_ids)}
    return [found[hold_id] for hold_id in hold_ids if hold_id in found]


def calls_in_doubt() -> list[CallReport]:
    """Calls that nobody knows the end of, of every account, the longest first."""
    holds = _holds().filter(state=HoldState.IN_DOUBT)
    return [_call(hold) for hold in holds.order_by("changed_at", "id")]


def doubts_closed() -> list[CallReport]:
    """Calls whose doubt the rule has ended, and that nobody has acknowledged, of every
    account, the longest first."""
    holds = _holds().filter(
        usage__basis=Basis.IN_DOUBT, acknowledgement=None, state=HoldState.RELEASED
    )
    known = Correction.objects.filter(POSTED).exclude(kind=CorrectionKind.REFUND)
    holds = holds.exclude(id__in=known.values("hold_id"))
    return [_call(hold) for hold in holds.order_by("changed_at", "id")]


def late_words() -> list[tuple[Correction, CallReport]]:
    """What was said of calls after their end and waits for the operator, the oldest
    first. That a call is alive is left out once its price is said."""
    words = Correction.objects.filter(state=CorrectionState.PENDING)
    words = words.order_by("noted_at", "id")
    priced = {word.hold_id for word in words if word.said_micros is not None}
    shown = [w for w in words if w.said_micros is not None or w.hold_id not in priced]
    calls = {hold.id: _call(hold) for hold in _holds().filter(corrections__in=shown)}
    return [(word, calls[word.hold_id]) for word in shown]


def charge_of(hold_id: UUID) -> tuple[int | None, str]:
    """What a call is charged by now, in micros, and on what basis; None: nothing
    yet."""
    record = UsageRecord.objects.filter(hold_id=hold_id).first()
    posted = Correction.objects.filter(POSTED, hold_id=hold_id)
    return _charge(record, list(posted.order_by("ended_at")))


def _charge(
    record: UsageRecord | None, posted: Sequence[Correction]
) -> tuple[int | None, str]:
    if record is None and not posted:
        return None, ""
    basis = record.basis if record else ""
    for word in posted:
        if word.kind != CorrectionKind.REFUND:
            basis = word.basis
    charged = record.charged_micros if record else 0
    return charged + sum(word.charged_micros for word in posted), basis


def _holds() -> QuerySet[Hold]:
    posted = Correction.objects.filter(POSTED).order_by("ended_at")
    words = Prefetch("corrections", posted, to_attr="posted")
    calls = Hold.objects.filter(is_envelope=False)  # a run is no call
    return calls.select_related("usage").prefetch_related(words)


def _call(hold: Hold) -> CallReport:
    usage: UsageRecord | None = getattr(hold, "usage", None)
    posted: list[Correction] = hold.posted  # type: ignore[attr-defined]  # `_holds` sets it
    nothing = 0 if hold.state == HoldState.RELEASED else None
    charged, basis = _charge(usage, posted)
    price = usage.price_micros if usage else nothing
    if posted:
        price = (price or 0) + sum(
            word.charged_micros + word.absorbed_micros for word in posted
        )
    return CallReport(
        request_id=f"req_{hold.id.hex}",
        placed_at=hold.placed_at,
        state=hold.state,
        operation=hold.operation,
        model=hold.model,
        spender_id=hold.spender_id,
        spender_label=hold.spender_label,
        project_label=hold.project_label,
        holder_label=hold.holder_label,
        client=hold.client,
        client_version=hold.client_version,
        session=hold.session,
        held_micros=hold.amount_micros,
        charged_micros=nothing if charged is None else charged,
        basis=basis,
        prompt_tokens=_tokens("prompt_tokens", usage, posted),
        completion_tokens=_tokens("completion_tokens", usage, posted),
        reason=hold.reason,
        duration_ms=usage.duration_ms if usage else 0,
        streamed=usage.streamed if usage else False,
        ended_at=hold.changed_at,
        price_micros=price,
        flags=usage.flags if usage else "",
        project_id=hold.project_id,
        holder_id=hold.holder_id,
        envelope_id=hold.envelope_id,
    )


def _tokens(name: str, usage: UsageRecord | None, posted: Sequence[Correction]) -> int:
    lines = [usage, *posted] if usage else posted
    return sum(getattr(line, name) for line in lines)
