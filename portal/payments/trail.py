"""What becomes of a top-up, in the audit trail, whoever said so."""

from __future__ import annotations

from billing.models import TopUp
from billing.payments.changes import describe
from portal.models import Organization
from portal.tenants import audit

SHOWN = ("status", "provider", "credits_micros", "price_minor", "tax_minor", "currency")


def write(topup: TopUp, became: str, before: str, by: str) -> None:
    """Called by billing, inside the transaction of the change."""
    organization = Organization.objects.filter(account_id=topup.account_id).first()
    if organization is None:
        return  # an account of the ledger's own tests
    told = describe(topup)
    audit.record(
        f"topup.{became}",
        actor=audit.Actor(None, by),
        organization=organization,
        target=topup.public_id,
        before=before,
        receipt_number=topup.receipt_number,
        refunded_minor=topup.refunded_minor,
        reason=topup.reason,
        **{name: told[name] for name in SHOWN},
    )
