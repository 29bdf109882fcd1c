"""Top-ups by bank transfer: the operator says that the money came, or will not."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from billing.models import PaymentEvent, TopUp
from billing.payments import automatic, intake, reconciliation, rows, topups
from billing.payments.errors import UnknownTopUp
from billing.payments.reconciliation import Drift
from portal.models import Organization
from portal.tenants import audit, policy, reasons

REFERENCE_MAX = REASON_MAX = 200


@transaction.atomic
def approve(public_id: str, payment_ref: str, *, actor: audit.Actor) -> TopUp:
    """The money came under this reference of the bank's; its credits are granted. Again
    by the same reference it changes nothing. The organization itself cannot.

    Raises: NotAllowed; UnknownTopUp; NotPending; DoesNotFit when that money paid
    another one; ValueError for a reference that cannot be kept.
    """
    policy.require_operator(actor)
    reference = payment_ref.strip()
    if not 0 < len(reference) <= REFERENCE_MAX or not reference.isprintable():
        raise ValueError("name the bank's reference of the payment")
    return topups.mark_paid(_id(public_id), payment_ref=reference, by=actor.label)


@transaction.atomic
def refuse(public_id: str, *, reason: str, actor: audit.Actor) -> TopUp:
    """The money will not come. Again it changes nothing.

    Raises: NotAllowed; UnknownTopUp; NotPending; ValueError without a reason.
    """
    policy.require_operator(actor)
    text = reasons.clean(reason, ValueError, length_max=REASON_MAX)
    return topups.refuse(_id(public_id), reason=text, by=actor.label)


def pending() -> list[tuple[TopUp, str]]:
    """What waits for the operator's word, the oldest first, with whose it is."""
    found = TopUp.objects.filter(provider="manual", status="pending")
    return [(topup, _slug(topup)) for topup in found.order_by("created_at")]


def quarantined() -> list[PaymentEvent]:
    """What providers told and nobody could believe."""
    return intake.quarantined()


def sweep(*, actor: audit.Actor) -> dict[str, int]:
    """What the worker does by itself: ask what became of orders, charge what is due.
    Raises: NotAllowed."""
    policy.require_operator(actor)
    return {**reconciliation.sweep(), "charged": automatic.run_due()}


def drift() -> list[Drift]:
    """Orders that stand otherwise at their provider. Raises: ProviderOff,
    ProviderDown."""
    return reconciliation.drift()


def _id(public_id: str) -> UUID:
    found = rows.named(public_id)
    if found is None:
        raise UnknownTopUp(f"{public_id!r} is no top-up: topup_ and 32 digits.")
    return found


def _slug(topup: TopUp) -> str:
    found = Organization.objects.filter(account_id=topup.account_id).first()
    return found.slug if found else ""
