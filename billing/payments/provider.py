"""The small interface behind which payment providers are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from billing.models import Buyer, TopUp, TopUpRefund
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
    failed_refund: str = ""  # the provider's id of one whose money came back


class Provider(Protocol):
    """Each call may be made twice: what it does has an idempotency key of ours.

    All raise ProviderDown, and ProviderRefusal where something is asked for that he
    declines; no call waits for longer than half a minute.
    """

    def customer(self, account_id: int) -> str:
        """His name for an organization, always the same: what is saved with one
        payment can be used for another of the same customer only."""
        ...

    def begin(self, topup: TopUp, buyer: Buyer) -> Begun:
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

    def refund(self, refund: TopUpRefund) -> str:
        """Pay back so much of its top-up; his name for it. Again under the same row it
        is the same refund. Raises: KeySpent."""
        ...

    def find_refund(self, refund: TopUpRefund) -> str:
        """His name for one that he has made before; empty: he has not."""
        ...

    def events(self, since: datetime) -> Iterator[Told]:
        """All events since then, the oldest first."""
        ...


# Makes the providers by name; tests hand in their own.
Source = Callable[[str], Provider]
