"""Orders of credits, as a page or the operator's command makes them."""

from __future__ import annotations

from uuid import uuid4

from billing.models import AutoTopUp, TopUp
from billing.models.topup import ProviderName
from billing.payments import prices, topups
from billing.payments.automatic import Terms, consent_text
from billing.payments.topups import Wanted
from billing.values.orders import CREDIT
from portal.models import Organization
from portal.tenants import audit, buying

TERMS = Terms(100 * CREDIT, 1000, 50_00)


def manual_order(credits: int = 1000, buyer: str = "") -> Wanted:
    """By bank transfer."""
    offer = prices.offer(credits=credits)
    return Wanted(offer, ProviderName.MANUAL, buyer_name=buyer)


def paid(organization: Organization, *, buyer: str = "", by: str = "bank") -> TopUp:
    """An order whose transfer has arrived."""
    made = topups.start(
        organization.account_id,
        manual_order(buyer=buyer),
        key=uuid4().hex,
        asked_by=by,
    )
    return topups.mark_paid(made.id, payment_ref=f"bank {uuid4().hex}", by="operator")


def automatic_order(organization: Organization, actor: audit.Actor) -> AutoTopUp:
    words = consent_text(TERMS)
    return buying.set_automatic(organization, TERMS, words, actor=actor)
