"""Calls in doubt, and the operator's word on them.

A hold in doubt waits for a late answer and then for the rule (`billing.holds.sweep`),
which returns its credits. Until then the operator, who has looked at the upstream's
bill, may end it: charge what the upstream charged, or return the credits. The first
resolution stands: a late answer changes nothing after that. A call that the rule has
already released cannot be charged any more, since the ledger has no order for it.
"""

from __future__ import annotations

from dataclasses import dataclass
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
from billing.values.orders import CREDIT, Release, Resolved, Settle, Usage
from portal.models import ApiKey, Organization
from portal.tenants import audit, policy
from portal.tenants.errors import PortalError

REASON_MAX = 500
# Marks the usage record: not the upstream, not the rule, a person decided.
FLAG = "operator"


class DoubtStands(PortalError):
    """The operator cannot end a call's doubt in this way. Nothing was written."""

    code = "doubt_stands"


class NoSuchCall(DoubtStands):
    """No call has this id."""


class ReasonRefused(DoubtStands):
    """The reason is empty, too long or cannot be printed."""


class NotInDoubt(DoubtStands):
    """The call still runs, or its end is known. `call` is how it stands."""

    def __init__(self, call: reports.CallReport) -> None:
        super().__init__()
        self.call = call

    @property
    def is_by_operator(self) -> bool:
        return FLAG in self.call.flags.split()


class PriceOutOfRange(DoubtStands):
    """Nothing like that can be meant for a call of this size. All in microcredits."""

    def __init__(self, *, price: int, price_max: int, held: int) -> None:
        super().__init__()
        self.price_micros = price
        self.price_max_micros = price_max
        self.held_micros = held


@dataclass(frozen=True, slots=True)
class Ended:
    """What the operator's word did: to which call, and of which organization's slug."""

    request_id: str
    organization: str
    outcome: Resolved
    still_in_doubt: int

    @property
    def returned_micros(self) -> int:
        return max(0, self.outcome.held_micros - self.outcome.charged_micros)


def in_doubt() -> list[tuple[reports.CallReport, str]]:
    """All calls in doubt, the longest first, each with its organization's slug."""
    found = reports.calls_in_doubt()
    keys = ApiKey.objects.filter(spender_id__in={call.spender_id for call in found})
    slugs = dict(keys.values_list("spender_id", "organization__slug"))
    return [(call, slugs.get(call.spender_id, "")) for call in found]


def settle(
    hold_id: UUID, upstream_micros: int, *, reason: str, actor: audit.Actor
) -> Ended:
    """Charge what the upstream charged, in microcredits, times the call's factor.

    Raises: NotAllowed, DoubtStands, billing's Refusal and LedgerUnavailable; nothing
    was written then.
    """
    policy.require_operator(actor)
    hold = _find(hold_id)
    price = price_of(upstream_micros, hold.price_factor_ppm)
    price_max = max(hold.amount_micros, CREDIT) * CREDITS_PER_BOUND_MAX
    if not 0 <= price <= price_max:
        raise PriceOutOfRange(price=price, price_max=price_max, held=hold.amount_micros)
    usage = Usage(
        # The upstream's own figure, as the operator read it: no doubt is left to list.
        basis=Basis.UPSTREAM.value,
        cost_micros=upstream_micros,
        upstream_micros=upstream_micros,
        flags=(FLAG,),
    )
    order = Settle(hold.id.hex, hold.account_id, usage, hold.reason)
    return _end("doubt.settle", order, upstream_micros, reason, actor)


def release(hold_id: UUID, *, reason: str, actor: audit.Actor) -> Ended:
    """Return the whole hold, as the rule would; the call stays listed.

    Raises: NotAllowed, DoubtStands, billing's Refusal and LedgerUnavailable; nothing
    was written then.
    """
    policy.require_operator(actor)
    hold = _find(hold_id)
    usage = Usage(basis=Basis.IN_DOUBT.value, cost_micros=0, flags=(FLAG,))
    order = Release(hold.id.hex, hold.account_id, hold.reason, usage)
    return _end("doubt.release", order, None, reason, actor)


def _find(hold_id: UUID) -> Hold:
    """The hold, unless its call still runs: whether its doubt was ended already is for
    the ledger to say, under its lock. Raises: NoSuchCall, NotInDoubt."""
    hold = Hold.objects.filter(id=hold_id).first()
    if hold is None:
        raise NoSuchCall
    if hold.state == HoldState.OPEN:
        raise NotInDoubt(_call(hold.account_id, hold_id))
    return hold


def _end(
    action: str,
    order: Settle | Release,
    upstream_micros: int | None,
    reason: str,
    actor: audit.Actor,
) -> Ended:
    """Carry out the order and write down who gave it, both or neither."""
    # It goes into JSON, where PostgreSQL refuses a NUL, and onto one line of a list.
    if not reason.strip() or len(reason) > REASON_MAX or not reason.isprintable():
        raise ReasonRefused
    organization = Organization.objects.filter(account_id=order.account_id).first()
    with transaction.atomic():
        [outcome] = holds.commit([order])
        if isinstance(outcome, LedgerError):
            raise outcome
        if outcome.repeat:  # a late answer, the rule or the operator was faster
            raise NotInDoubt(_call(order.account_id, UUID(order.hold_id)))
        ended = Ended(
            request_id=f"req_{order.hold_id}",
            organization=organization.slug if organization else "",
            outcome=outcome,
            still_in_doubt=len(in_doubt()),
        )
        audit.record(
            action,
            actor=actor,
            organization=organization,
            target=ended.request_id,
            reason=reason.strip(),
            upstream_credits=(
                None if upstream_micros is None else credits_text(upstream_micros)
            ),
            charged_credits=credits_text(outcome.charged_micros),
            absorbed_credits=credits_text(outcome.absorbed_micros),
            returned_credits=credits_text(ended.returned_micros),
        )
    return ended


def _call(account_id: int, hold_id: UUID) -> reports.CallReport:
    call = reports.find_call(account_id, hold_id)
    assert call is not None, "its hold was just read"
    return call
