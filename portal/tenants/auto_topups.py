"""Automatic top-ups of an organization: who may turn them on and off."""

from __future__ import annotations

from django.db import transaction

from billing.models import AutoTopUp
from billing.payments import automatic
from billing.payments.automatic import Agreed, Terms
from billing.values.amounts import credits_text
from portal.models import Organization
from portal.tenants import audit, policy
from portal.tenants.roles import Permission


@transaction.atomic
def set_up(
    organization: Organization, terms: Terms, agreed_text: str, *, actor: audit.Actor
) -> AutoTopUp:
    """Turn them on under these terms, to whose words (`automatic.consent_text`) the
    actor agrees; who, when and from where is kept.

    Raises: NotAllowed; BadAmount, NotAgreed.
    """
    policy.require(actor, organization.pk, Permission.BUY_CREDITS)
    agreed = Agreed(agreed_text, actor.label, actor.ip_address or "")
    order = automatic.set_up(organization.account_id, terms, agreed)
    audit.record(
        "auto_topup.set_up",
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
def turn_off(organization: Organization, *, actor: audit.Actor) -> bool:
    """Charge no further one; True if they were on. Raises: NotAllowed."""
    policy.require(actor, organization.pk, Permission.BUY_CREDITS)
    was_on = automatic.turn_off(organization.account_id)
    if was_on:
        audit.record("auto_topup.turn_off", actor=actor, organization=organization)
    return was_on


@transaction.atomic
def resume(organization: Organization, *, actor: audit.Actor) -> bool:
    """Go on after a pause; True if there was one. Raises: NotAllowed."""
    policy.require(actor, organization.pk, Permission.BUY_CREDITS)
    was_paused = automatic.resume(organization.account_id)
    if was_paused:
        audit.record("auto_topup.resume", actor=actor, organization=organization)
    return was_paused
