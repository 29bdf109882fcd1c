"""Calls in doubt, and the operator's word on them.

A hold in doubt waits for a late answer and then for the rule (`billing.holds.sweep`),
which returns its credits. Until then the operator, who has looked at the upstream's
bill, may end it. The first resolution stands: what is said later is a word of its own
(`late_words`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing import holds
from billing.models import Hold
from billing.models.hold import HoldState
from billing.models.usage import Basis
from billing.pricing.usage import CREDITS_PER_BOUND_MAX
from billing.reports import calls as reports
from billing.values.amounts import credits_text, price_of
from billing.values.errors import LedgerError
from billing.values.orders import CREDIT, Release, Settle, Usage
from portal.models import KeySecret, Organization
from portal.tenants import audit, policy, reasons
from portal.tenants.errors import PortalError

# Marks the usage record: not the upstream, not the rule, a person decided.
FLAG = "operator"


class DoubtStands(PortalError):
    """The operator cannot end a call's doubt in this way. Nothing was written."""


def in_doubt() -> list[tuple[reports.CallReport, str]]:
    """All calls in doubt, and then those whose doubt the rule has ended and nobody has
    acknowledged, the longest first, each with its organization's slug."""
    found = [*reports.calls_in_doubt(), *reports.doubts_closed()]
    slugs = slugs_of(found)
    return [(call, slugs.get(call.spender_id, "")) for call in found]


def slugs_of(calls: Sequence[reports.CallReport]) -> dict[int, str]:
    """The organizations of these calls, by spender."""
    found = KeySecret.objects.filter(spender_id__in={call.spender_id for call in calls})
    return dict(found.values_list("spender_id", "key__organization__slug"))


def settle(
    hold_id: UUID, upstream_micros: int, *, reason: str, actor: audit.Actor
) -> dict[str, str | int]:
    """Charge what the upstream charged, in microcredits, times the call's factor. The
    answer says what happened, in credits.

    Raises: NotAllowed, DoubtStands, billing's Refusal and LedgerUnavailable; nothing
    was written then.
    """
    policy.require_operator(actor)
    hold = _find(hold_id)
    checked_price(hold, price_of(upstream_micros, hold.price_factor_ppm))
    usage = Usage(
        # The upstream's own figure, as the operator read it: no doubt is left to list.
        basis=Basis.UPSTREAM.value,
        cost_micros=upstream_micros,
        upstream_micros=upstream_micros,
        flags=(FLAG,),
    )
    order = Settle(hold.id.hex, hold.account_id, usage, hold.reason)
    return _end("doubt.settle", order, reason, actor)


def release(hold_id: UUID, *, reason: str, actor: audit.Actor) -> dict[str, str | int]:
    """Return the whole hold, as the rule would; the call stays listed. The answer is
    `settle`'s.

    Raises: NotAllowed, DoubtStands, billing's Refusal and LedgerUnavailable; nothing
    was written then.
    """
    policy.require_operator(actor)
    hold = _find(hold_id)
    usage = Usage(basis=Basis.IN_DOUBT.value, cost_micros=0, flags=(FLAG,))
    order = Release(hold.id.hex, hold.account_id, hold.reason, usage)
    return _end("doubt.release", order, reason, actor)


def checked_price(hold: Hold, price: int) -> None:
    """Raises: DoubtStands for one that is a slip of the pen."""
    price_max = max(hold.amount_micros, CREDIT) * CREDITS_PER_BOUND_MAX
    if not 0 <= price <= price_max:
        raise DoubtStands(
            f"That makes a price of {credits_text(price)} credits for "
            f"req_{hold.id.hex}. For a call that holds "
            f"{credits_text(hold.amount_micros)} it must be from 0 to "
            f"{credits_text(price_max)}; anything else is a slip. Nothing was changed."
        )


def _find(hold_id: UUID) -> Hold:
    """The hold, unless its call still runs: whether its doubt was ended already is for
    the ledger to say, under its lock. Raises: DoubtStands."""
    hold = Hold.objects.filter(id=hold_id).first()
    if hold is None:
        raise DoubtStands(f"No call has the request id req_{hold_id.hex}.")
    if hold.state == HoldState.OPEN:
        raise _not_in_doubt(hold.account_id, hold_id)
    return hold


def _end(
    action: str, order: Settle | Release, reason: str, actor: audit.Actor
) -> dict[str, str | int]:
    """Carry out the order and write down who gave it, both or neither."""
    reason = reasons.clean(reason, DoubtStands)
    organization = Organization.objects.filter(account_id=order.account_id).first()
    with transaction.atomic():
        [outcome] = holds.commit([order])
        if isinstance(outcome, LedgerError):
            raise outcome
        if outcome.repeat:  # a late answer, the rule or the operator was faster
            raise _not_in_doubt(order.account_id, UUID(order.hold_id))
        request_id = f"req_{order.hold_id}"
        upstream_micros = order.usage.upstream_micros if order.usage else None
        returned_micros = max(0, outcome.held_micros - outcome.charged_micros)
        amounts = {
            "charged_credits": credits_text(outcome.charged_micros),
            "absorbed_credits": credits_text(outcome.absorbed_micros),
            "returned_credits": credits_text(returned_micros),
        }
        audit.record(
            action,
            actor=actor,
            organization=organization,
            target=request_id,
            reason=reason,
            upstream_credits=(
                None if upstream_micros is None else credits_text(upstream_micros)
            ),
            **amounts,
        )
        return {
            "id": request_id,
            "organization": organization.slug if organization else "",
            "state": outcome.state,
            "held_credits": credits_text(outcome.held_micros),
            **amounts,
            "available_credits": credits_text(outcome.available_micros),
            "still_in_doubt": Hold.objects.filter(state=HoldState.IN_DOUBT).count(),
        }


def _not_in_doubt(account_id: int, hold_id: UUID) -> DoubtStands:
    """The call still runs, or its end is known: says how it stands."""
    call = reports.find_call(account_id, hold_id)
    assert call is not None, "its hold was just read"
    when = moment(call.ended_at)
    by = ", by the operator" if FLAG in call.flags.split() else ""
    if call.state == HoldState.OPEN:
        end = ": it still runs."
    elif call.state == HoldState.SETTLED:
        charged = credits_text(call.charged_micros or 0)
        end = (
            f" any more: it was settled at {when}{by}, {charged} credits charged "
            f"(basis {call.basis})."
        )
    elif call.basis == Basis.IN_DOUBT:
        end = (
            f" any more: it was released at {when}{by or ', by the rule for doubts'}, "
            "and nothing was charged. If you know its price by now: doubts --charge "
            f"{call.request_id} --credits N."
        )
    else:
        end = (
            f": it was released at {when} ({call.reason or 'no reason kept'}), nothing "
            "was charged."
        )
    return DoubtStands(f"{call.request_id} is not in doubt{end} Nothing was changed.")


def moment(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""
