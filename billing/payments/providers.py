"""Which payment providers are set up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings

from billing.models import Buyer, TopUp, TopUpRefund
from billing.models.topup import ProviderName
from billing.payments import errors
from billing.payments.provider import Begun, Provider, Told
from billing.payments.report import Report


class NoPayments:
    """The manual one: a person looks at the bank's account."""

    def customer(self, account_id: int) -> str:
        return ""

    def begin(self, topup: TopUp, buyer: Buyer) -> Begun:
        return Begun("", "")

    def charge(self, topup: TopUp, buyer: Buyer) -> Report:
        raise errors.ProviderRefusal("nobody can be charged by bank transfer")

    def look(self, topup: TopUp) -> list[Report]:
        return []

    def method_of(self, payment_ref: str) -> str:
        return ""

    def refund(self, refund: TopUpRefund) -> str:
        raise errors.ProviderRefusal("a bank transfer is paid back by hand")

    def find_refund(self, refund: TopUpRefund) -> str:
        return ""

    def events(self, since: datetime) -> Iterator[Told]:
        return iter(())


def configured(name: str) -> Provider:
    """Raises: ProviderOff when it is not set up, or there is none of that name."""
    if name == ProviderName.MANUAL:
        if not settings.MANUAL_TOPUPS:
            raise errors.ProviderOff("Bank transfers are not taken.")
        return NoPayments()
    if name != ProviderName.STRIPE or not settings.STRIPE_SECRET_KEY:
        raise errors.ProviderOff("Cards are not taken here.")
    # The SDK is large; a gateway that sells nothing does without.
    from billing.payments.stripe_provider import Stripe

    return Stripe(
        settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE, settings.PUBLIC_URL
    )


def names() -> list[str]:
    """Those that are set up, the preferred one first."""
    found = []
    if settings.STRIPE_SECRET_KEY:
        found.append(ProviderName.STRIPE.value)
    if settings.MANUAL_TOPUPS:
        found.append(ProviderName.MANUAL.value)
    return found
