"""A buyer of credits, and what a payment provider may say of an order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from billing.models import PaymentEvent, TopUp, TopUpRefund
from billing.models.topup import Dispute, ProviderName
from billing.payments import errors, intake, prices, topups
from billing.payments.provider import Begun, Told
from billing.payments.report import Report, Said
from billing.values.orders import CREDIT
from tests.support.ledger.payers import Payer

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
_numbers = itertools.count(1)


def order(payer: Payer, credits: int = 1000, key: str = "", **more: Any) -> TopUp:
    """A top-up that is asked for, pending."""
    wanted = topups.Wanted(prices.offer(credits=credits), **more)
    key = key or f"key {next(_numbers)}"
    return topups.start(payer.account_id, wanted, key=key, asked_by="a test")


def said(topup: TopUp, what: Said, **more: Any) -> Report:
    """A report that fits the order; the money of one that is paid, too."""
    usual: dict[str, Any] = {}
    if what == Said.PAID:
        usual = {"amount_minor": topup.price_minor, "payment_ref": payment_of(topup)}
    if what in (Said.REFUNDED, Said.DISPUTED):
        usual = {"payment_ref": payment_of(topup)}
    report = Report(
        what,
        topup.provider,
        topup.public_id,
        str(topup.account_id),
        topup.currency,
        NOON,
        **usual,
    )
    return replace(report, **more)


def payment_of(topup: TopUp) -> str:
    return f"pi_{topup.id.hex}"


def tell(report: Report, event_id: str = "", alarm: str = "") -> str:
    """An event that says so; its state."""
    event_id = event_id or f"evt_{next(_numbers)}"
    told = Told(event_id, f"test.{report.said}", report.happened_at, report, alarm)
    return intake.receive(told, provider=ProviderName.STRIPE)


def why(event_id: str) -> str:
    return PaymentEvent.objects.get(event_id=event_id).why


def credits_of(payer: Payer) -> tuple[int, int]:
    """Whole credits available, and owed."""
    from billing.models import Account

    owed = Account.objects.get(id=payer.account_id).owed_micros
    return payer.figures()[2] // CREDIT, owed // CREDIT


@dataclass
class Shop:
    """A payment provider in a few lines: what it was asked, and what it answers."""

    orders: dict[str, list[Report]] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    charged: list[str] = field(default_factory=list)
    declines: str = ""
    is_down: bool = False
    asked: int = 0

    def __call__(self, name: str) -> Shop:
        return self

    def customer(self, account_id: int) -> str:
        return "cus_1"

    def begin(self, topup: TopUp, buyer: Any) -> Begun:
        self._ask()
        ref = f"cs_{topup.id.hex}_{topup.attempt}"
        self.orders.setdefault(ref, [])
        return Begun(ref, f"https://pay.example/{ref}")

    def charge(self, topup: TopUp, buyer: Any) -> Report:
        self._ask()
        if self.declines:
            return said(topup, Said.FAILED, reason=self.declines)
        self.charged.append(f"{topup.public_id}:{topup.attempt}")
        return said(topup, Said.PAID, provider_ref=payment_of(topup))

    def look(self, topup: TopUp) -> list[Report]:
        self._ask()
        return self.orders.get(topup.provider_ref, [])

    def refund(self, refund: TopUpRefund) -> str:
        return f"re_{refund.id.hex}"

    def find_refund(self, refund: TopUpRefund) -> str:
        return ""

    def method_of(self, payment_ref: str) -> str:
        return "pm_1"

    def events(self, since: datetime) -> Iterator[Told]:
        self._ask()
        return iter([each for each in self.told if each.happened_at >= since])

    def pay(self, topup: TopUp) -> Report:
        """The buyer pays, and the webhook is lost."""
        paid = said(topup, Said.PAID, provider_ref=topup.provider_ref)
        self.orders[topup.provider_ref] = [paid]
        return paid

    def _ask(self) -> None:
        self.asked += 1
        if self.is_down:
            raise errors.ProviderDown("no answer")


HOUR = timedelta(hours=1)
OPEN, WON, LOST = Dispute.OPEN, Dispute.WON, Dispute.LOST
