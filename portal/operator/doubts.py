"""Calls in doubt, and the operator's word on them.

A hold in doubt waits for a late answer and then for the rule (`billing.holds.sweep`),
which returns its credits. Until then the operator, who has looked at the upstream's
bill, may end it: charge what the upstream charged, or return the credits. The first
resolution stands: a late answer changes nothing after that. A call that the rule has
already released cannot be charged any more, since the ledger has no order for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing import holds
from billing.ledger.book import scaled
from billing.models import Hold, UsageRecord
from billing.models.hold import HoldState
from billing.models.usage import Basis
from billing.pricing.usage import CREDITS_PER_BOUND_MAX
from billing.values.amounts import credits_text
from billing.values.orders import CREDIT, Release, Resolved, Settle, Usage
from portal.models import Organization
from portal.tenants import audit, policy
from portal.tenants.errors import DoubtStands

REQUEST_ID = re.compile(r"req_[0-9a-f]{32}")
REASON_MAX = 500
# Marks the usage record: not the upstream, not the rule, a person decided.
FLAG = "operator"


@dataclass(frozen=True, slots=True)
class Doubtful:
    """One line of the list. `since` is when it came to doubt."""

    id: str
    organization: str
    operation: str
    model: str
    held_credits: str
    since: str  # ISO 8601, UTC
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """What the operator's word did, in credits, and what is left."""

    id: str
    organization: str
    state: str
    held_credits: str
    charged_credits: str
    absorbed_credits: str  # borne by the operator: the customer had no more
    returned_credits: str
    available_credits: str
    still_in_doubt: int


def listed() -> list[Doubtful]:
    """All calls in doubt, oldest first."""
    found = list(
        Hold.objects.filter(state=HoldState.IN_DOUBT).order_by("changed_at", "id")
    )
    slugs = dict(
        Organization.objects.filter(
            account_id__in={hold.account_id for hold in found}
        ).values_list("account_id", "slug")
    )
    return [
        Doubtful(
            id=f"req_{hold.id.hex}",
            organization=slugs.get(hold.account_id, ""),
            operation=hold.operation,
            model=hold.model,
            held_credits=credits_text(hold.amount_micros),
            since=_text(hold.changed_at),
            reason=hold.reason,
        )
        for hold in found
    ]


def settle(
    request_id: str, upstream_micros: int, *, reason: str, actor: audit.Actor
) -> Ended:
    """Charge what the upstream charged, times the factor agreed for the call.

    Raises: NotAllowed, DoubtStands, LedgerUnavailable; nothing was written then.
    """
    policy.require_operator(actor)
    hold = _in_doubt(request_id)
    most = max(hold.amount_micros, CREDIT) * CREDITS_PER_BOUND_MAX
    price = scaled(upstream_micros, hold.price_factor_ppm)
    if not 0 <= price <= most:
        raise DoubtStands(
            f"{credits_text(upstream_micros)} credits make a price of "
            f"{credits_text(price)} for {request_id}. For a call that holds "
            f"{credits_text(hold.amount_micros)} it must be from 0 to "
            f"{credits_text(most)}; anything else is a slip. Nothing was changed."
        )
    usage = Usage(
        # The upstream's own figure, as the operator read it: no doubt is left to list.
        basis=Basis.UPSTREAM.value,
        price_micros=upstream_micros,
        upstream_micros=upstream_micros,
        flags=(FLAG,),
    )
    order = Settle(hold.id.hex, hold.account_id, usage, hold.reason)
    return _end("doubt.settle", hold, order, reason, actor)


def release(request_id: str, *, reason: str, actor: audit.Actor) -> Ended:
    """Return the whole hold, as the rule would; the call stays listed.

    Raises: NotAllowed, DoubtStands, LedgerUnavailable; nothing was written then.
    """
    policy.require_operator(actor)
    hold = _in_doubt(request_id)
    usage = Usage(basis=Basis.IN_DOUBT.value, price_micros=0, flags=(FLAG,))
    order = Release(hold.id.hex, hold.account_id, hold.reason, usage)
    return _end("doubt.release", hold, order, reason, actor)


def _end(
    action: str,
    hold: Hold,
    order: Settle | Release,
    reason: str,
    actor: audit.Actor,
) -> Ended:
    """Carry out the order and write down who gave it, both or neither."""
    # It goes into JSON, where PostgreSQL refuses a NUL, and onto one line of a list.
    if not reason.strip() or len(reason) > REASON_MAX or not reason.isprintable():
        raise DoubtStands(
            f"Give a reason of 1 to {REASON_MAX} printable characters: it goes into "
            "the audit trail. Nothing was changed."
        )
    organization = Organization.objects.filter(account_id=hold.account_id).first()
    request_id = f"req_{hold.id.hex}"
    named = None
    if isinstance(order, Settle):
        named = credits_text(order.usage.price_micros)
    with transaction.atomic():
        [outcome] = holds.settle([order])
        if isinstance(outcome, Exception):
            raise DoubtStands(f"The ledger refused: {outcome}. Nothing was changed.")
        assert isinstance(outcome, Resolved)
        if outcome.repeat:  # a late answer, or the rule, was faster
            raise DoubtStands(_how_it_ended(Hold.objects.get(id=hold.id)))
        ended = _ended(request_id, organization, outcome)
        audit.record(
            action,
            actor=actor,
            organization=organization,
            target=request_id,
            reason=reason.strip(),
            upstream_credits=named,
            charged_credits=ended.charged_credits,
            absorbed_credits=ended.absorbed_credits,
            returned_credits=ended.returned_credits,
        )
    return ended


def _ended(
    request_id: str, organization: Organization | None, outcome: Resolved
) -> Ended:
    returned = max(0, outcome.held_micros - outcome.charged_micros)
    return Ended(
        id=request_id,
        organization=organization.slug if organization else "",
        state=outcome.state,
        held_credits=credits_text(outcome.held_micros),
        charged_credits=credits_text(outcome.charged_micros),
        absorbed_credits=credits_text(outcome.absorbed_micros),
        returned_credits=credits_text(returned),
        available_credits=credits_text(outcome.available_micros),
        still_in_doubt=Hold.objects.filter(state=HoldState.IN_DOUBT).count(),
    )


def _in_doubt(request_id: str) -> Hold:
    """The hold. What it is found to be stays true but for a resolution: from doubt
    no way leads back to open. Raises: DoubtStands."""
    if not REQUEST_ID.fullmatch(request_id):
        raise DoubtStands(
            f"{request_id!r} is no request id: req_ and 32 digits from 0 to f, as in "
            "the x-request-id of a reply and in the list of this command."
        )
    hold = Hold.objects.filter(id=UUID(request_id.removeprefix("req_"))).first()
    if hold is None:
        raise DoubtStands(f"No call has the request id {request_id}.")
    if hold.state != HoldState.IN_DOUBT:
        raise DoubtStands(_how_it_ended(hold))
    return hold


def _how_it_ended(hold: Hold) -> str:
    """Why this call is not the operator's to end."""
    name = f"req_{hold.id.hex}"
    if hold.state == HoldState.OPEN:
        return f"{name} is not in doubt: it still runs. Nothing was changed."
    usage = UsageRecord.objects.filter(hold_id=hold.id).first()
    when = _text(hold.changed_at)
    is_by_us = usage is not None and FLAG in usage.flags.split()
    by = ", by the operator" if is_by_us else ""
    if hold.state == HoldState.SETTLED:
        charged = credits_text(usage.charged_micros) if usage else "?"
        basis = usage.basis if usage else "?"
        return (
            f"{name} is not in doubt any more: it was settled at {when}{by}, "
            f"{charged} credits charged (basis {basis}). Nothing was changed."
        )
    if usage is not None and usage.basis == Basis.IN_DOUBT:
        return (
            f"{name} is not in doubt any more: it was released at {when}"
            f"{by or ', by the rule for doubts'}, and nothing was charged. The ledger "
            "has no order that charges a call later, so the upstream's cost, if any, "
            "stays with the operator. Nothing was changed."
        )
    return (
        f"{name} is not in doubt: it was released at {when}"
        f" ({hold.reason or 'no reason kept'}), nothing was charged. "
        "Nothing was changed."
    )


def _text(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""
