"""Money that goes back, and what providers told that did not fit: the operator's word.

Each decision and its row of the audit trail are one transaction.
"""

from __future__ import annotations

from django.db import transaction

from billing.models import PaymentEvent, TopUp, TopUpRefund
from billing.models.topup import ProviderName
from billing.payments import intake, prices, providers, refunds, rows
from billing.payments.errors import UnknownTopUp
from billing.payments.provider import Source
from portal.models import Organization
from portal.tenants import audit, policy, reasons

LISTED = 200


def refund(
    public_id: str,
    amount: str = "",
    *,
    reference: str,
    reason: str,
    actor: audit.Actor,
    source: Source = providers.configured,
) -> TopUpRefund:
    """Have its provider pay back so much ("10.50"; empty: all that is left), once for
    each reference. Its credits go when he tells that he has.

    Raises: NotAllowed; UnknownTopUp, NotPaid, BadAmount, BadRefund, KeyReused,
    ProviderOff, with nothing changed; ProviderDown: he is asked again by the worker;
    AccountLocked.
    """
    topup = _named(public_id)
    minor = prices.minor_of(amount, topup.currency) if amount else None
    if topup.provider != ProviderName.MANUAL:
        source(topup.provider)  # nothing is written where nobody can be asked
    with transaction.atomic():
        policy.require_operator(actor)
        made = refunds.order(
            topup.id, minor, reference=reference, reason=reason, by=actor.label
        )
        if not made.is_repeat:
            audit.record(
                "topup.refund",
                actor=actor,
                organization=_whose(topup),
                target=topup.public_id,
                refund=made.public_id,
                amount_minor=made.amount_minor,
                currency=topup.currency,
                reference=reference,
                reason=made.reason,
            )
    return refunds.ask(made, source)


def refunded() -> list[TopUpRefund]:
    """The last refunds that were asked for, the latest first."""
    return refunds.latest(LISTED)


@transaction.atomic
def release(event_id: str, *, reason: str, actor: audit.Actor) -> PaymentEvent:
    """Carry out an event that was quarantined, if it fits by now.

    Raises: NotAllowed; UnknownEvent, NotQuarantined; DoesNotFit; ValueError without a
    reason; AccountLocked.
    """
    policy.require_operator(actor)
    text = reasons.clean(reason, ValueError)
    event = intake.release(event_id, by=actor.label)
    _write("payment_event.release", event, text, actor)
    return event


@transaction.atomic
def dismiss(event_id: str, *, reason: str, actor: audit.Actor) -> PaymentEvent:
    """Nothing follows from it. Raises: as `release`, but DoesNotFit."""
    policy.require_operator(actor)
    text = reasons.clean(reason, ValueError)
    event = intake.dismiss(event_id)
    _write("payment_event.dismiss", event, text, actor)
    return event


def _write(action: str, event: PaymentEvent, reason: str, actor: audit.Actor) -> None:
    topup = event.topup
    audit.record(
        action,
        actor=actor,
        organization=_whose(topup) if topup else None,
        target=event.event_id,
        type=event.type,
        topup=topup.public_id if topup else "",
        reason=reason,
    )


def _named(public_id: str) -> TopUp:
    topup_id = rows.named(public_id)
    found = topup_id and TopUp.objects.filter(id=topup_id).first()
    if not found:
        raise UnknownTopUp(f"There is no top-up {public_id!r}.")
    return found


def _whose(topup: TopUp) -> Organization | None:
    return Organization.objects.filter(account_id=topup.account_id).first()
