"""Credits that an organization buys: who may order them, and who may say that they are
bought without being asked for. The money's side is `billing/payments`."""

from __future__ import annotations

from django.db import transaction

from billing.models import AutoTopUp, TopUp
from billing.payments import automatic, errors, orders, topups
from billing.payments.automatic import Agreed, Terms
from billing.payments.topups import Wanted
from billing.values.amounts import credits_text
from portal.models import Organization
from portal.tenants import audit, policy
from portal.tenants.roles import Permission


def buy(
    organization: Organization, wanted: Wanted, *, key: str, actor: audit.Actor
) -> TopUp:
    """An order, brought to its provider; the same key again is the same order.

    Where the provider does not answer, the order stays pending without a page to pay
    at: a task asks him again.

    Raises: NotAllowed, TopUpRefused, ProviderOff, ProviderRefusal (it has failed).
    """
    with transaction.atomic():
        policy.require(actor, organization.id, Permission.BUY_CREDITS)
        account_id = organization.account_id
        known = TopUp.objects.filter(account_id=account_id, idempotency_key=key)
        is_new = not known.exists()
        topup = topups.start(account_id, wanted, key=key, asked_by=actor.label)
        if is_new:
            audit.record(
                "topup.order",
                actor=actor,
                organization=organization,
                target=topup.public_id,
                provider=topup.provider,
                credits=credits_text(topup.amount_micros),
                price_minor=topup.price_minor,
                currency=topup.currency,
            )
    try:
        return orders.bring(topup)
    except errors.ProviderDown:
        return TopUp.objects.get(id=topup.id)


@transaction.atomic
def set_automatic(
    organization: Organization, terms: Terms, agreed_text: str, *, actor: audit.Actor
) -> AutoTopUp:
    """Turn automatic top-ups on, or change them, by a consent in writing.

    Raises: NotAllowed, TopUpRefused when the words are not those of these terms.
    """
    policy.require(actor, organization.id, Permission.BUY_CREDITS)
    agreed = Agreed(agreed_text, actor.label, actor.ip_address or "")
    order = automatic.set_up(organization.account_id, terms, agreed)
    audit.record(
        "auto_topup.set",
        actor=actor,
        organization=organization,
        threshold_credits=credits_text(terms.threshold_micros),
        credits=terms.credits,
        month_max_minor=terms.month_max_minor,
        currency=order.currency,
        consent=order.consent_id,
    )
    return order


@transaction.atomic
def stop_automatic(organization: Organization, *, actor: audit.Actor) -> None:
    """Nothing is bought automatically any more. Raises: NotAllowed."""
    policy.require(actor, organization.id, Permission.BUY_CREDITS)
    if automatic.turn_off(organization.account_id):
        audit.record("auto_topup.stop", actor=actor, organization=organization)


@transaction.atomic
def resume_automatic(organization: Organization, *, actor: audit.Actor) -> None:
    """After a pause. Raises: NotAllowed."""
    policy.require(actor, organization.id, Permission.BUY_CREDITS)
    if automatic.resume(organization.account_id):
        audit.record("auto_topup.resume", actor=actor, organization=organization)
