"""The small interface behind which payment providers are; and which one is meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.conf import settings

from billing.models import Buyer, TopUp
from billing.models.topup import ProviderName
from billing.payments import errors
from billing.payments.report import Report


@dataclass(frozen=True, slots=True)
class Begun:
    """How the provider calls an order, and where the buyer pays it."""

    provider_ref: str
    pay_url: str


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a provider's. No report: it says nothing about a top-up."""

    event_id: str
    type: str
    happened_at: datetime
    report: Report | None
    # What a person has to look at, although it may fit.
    alarm: str = ""


class Provider(Protocol):
    """Each call may be made twice: what it does has an idempotency key of ours.

    All raise ProviderDown, and ProviderRefusal where something is asked for that he
    declines; no call waits for longer than half a minute.
    """

    def begin(self, topup: TopUp, buyer: Buyer | None) -> Begun:
        """An order that the buyer pays himself. Raises: KeySpent."""
        ...

    def charge(self, topup: TopUp, buyer: Buyer) -> Report:
        """Take the money by the saved method, now. A decline is a report."""
        ...

    def look(self, topup: TopUp) -> list[Report]:
        """What became of an order that he knows."""
        ...

    def method_of(self, payment_ref: str) -> str:
        """The method that was saved with a payment; empty: none."""
        ...

    def events(self, since: datetime) -> Iterator[Told]:
        """All events since then, the oldest first."""
        ...


class NoPayments:
    """The manual one: a person looks at the bank's account."""

    def begin(self, topup: TopUp, buyer: Buyer | None) -> Begun:
        return Begun("", "")

    def charge(self, topup: TopUp, buyer: Buyer) -> Report:
        raise errors.ProviderRefusal("nobody can be charged by bank transfer")

    def look(self, topup: TopUp) -> list[Report]:
        return []

    def method_of(self, payment_ref: str) -> str:
        return ""

    def events(self, since: datetime) -> Iterator[Told]:
        return iter(())


# Makes the providers by name; tests hand in their own.
Source = Callable[[str], Provider]


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
