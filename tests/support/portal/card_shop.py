"""The portal beside the payments sandbox: orders are paid there, webhooks come here."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import stripe
from django.test import Client
from django.utils import timezone

from billing.models import TopUp
from billing.payments import errors, reconciliation, rows
from billing.payments.stripe_provider import Stripe as Provider
from portal.models import Organization
from portal.tenants import topups
from portal.tenants.topups import Order
from proxy.payments_sandbox import charges, paying
from proxy.payments_sandbox.deliveries import Behaviour
from proxy.payments_sandbox.errors import Refusal
from tests.support.cast import actor_of
from tests.support.payments_sandbox import KEY, Stripe
from tests.support.portal.stripe_events import SECRET, URL

HOOK = "http://127.0.0.1:9/hook"  # nobody's: the test posts them


@dataclass
class CardShop:
    """`sandbox` takes the money; webhooks wait in it until `deliver`."""

    organization: Organization
    sandbox: Stripe
    client: Client = field(default_factory=Client)

    def __post_init__(self) -> None:
        self.sandbox.sandbox.tell(HOOK, SECRET)
        self.provider = Provider(
            KEY, self.sandbox.sandbox.url, "https://x.example", retries=0
        )

    def source(self, name: str) -> Provider:
        return self.provider

    def buy(self, key: str = "", credits: int = 1000, **more: Any) -> TopUp:
        owner = self.organization.memberships.get(role="owner").user
        return topups.buy(
            self.organization,
            Order(credits=credits, provider="stripe", **more),
            key=key or uuid4().hex,
            actor=actor_of(owner),
            source=self.source,
        )

    def press(self, topup: TopUp, deed: str = "pay", card: str = "") -> None:
        self.sandbox.press(
            topup.provider_ref, deed, card, email="ann@example.com", name="Ann"
        )

    def deliver(
        self, chance: random.Random | None = None, most: int = 10_000
    ) -> list[int]:
        """What waits, in the order of its time or by chance; the statuses."""
        found, deliveries = [], self.sandbox.state.deliveries
        while delivery := deliveries.take(is_due_later_too=True):
            found.append(delivery)
            deliveries.report(delivery, 200)
        if chance is not None:
            chance.shuffle(found)
        return [self.post(each) for each in found[:most]]

    def post(self, delivery: Any) -> int:
        headers = delivery.headers(self.sandbox.state.clock())
        answer = self.client.post(
            URL,
            delivery.body,
            content_type="application/json",
            headers={"Stripe-Signature": headers["stripe-signature"]},
        )
        return answer.status_code

    def sweep(self) -> None:
        """One run of the worker's task, when everything is due."""
        now = timezone.now() - timedelta(seconds=1)
        TopUp.objects.filter(look_at__isnull=False).update(look_at=now)
        reconciliation.sweep(self.source)

    def granted(self) -> dict[str, tuple[int, int]]:
        """What each top-up gave and took back, by its name."""
        return {
            topup.public_id: (topup.amount_micros, topup.taken_micros)
            for topup in TopUp.objects.filter(account_id=self.organization.account_id)
            if topup.grant_id is not None
        }

    def owed(self) -> dict[str, tuple[int, int]]:
        """The same as the sandbox's journal has it: what it kept of each payment."""
        journal, found = self.sandbox.state.journal, {}
        kept = journal.kept()
        for entry in journal.entries:
            name = entry["metadata"]["topup"]
            topup = TopUp.objects.get(id=rows.named(name) or UUID(int=0))
            gone = topup.total_minor - kept[entry["payment_intent"]]
            taken = topup.amount_micros * gone // topup.total_minor
            found[name] = (topup.amount_micros, taken)
        return found


class Chaos:
    """Random buyers, banks and networks; the same for the same chance."""

    def __init__(self, shop: CardShop, chance: random.Random) -> None:
        self.shop, self.chance = shop, chance
        self.topups: list[TopUp] = []
        self.keys: list[str] = []
        behaviour = Behaviour(
            loss=chance.choice([0, 0.3, 1]),
            repeat=chance.choice([0, 0.5]),
            double=chance.choice([0, 0.5]),
            delay_seconds=chance.choice([0, 100]),
            seed=chance.randrange(2**32),
        )
        shop.sandbox.state.deliveries.behave(behaviour)

    def run(self, steps: int) -> None:
        acts: list[Callable[[], None]] = [
            *(self.order, self.order, self.order_again),
            *(self.press, self.press, self.press, self.press),
            *(self.settle, self.refund, self.dispute, self.close, self.fault),
            *(self.deliver, self.sweep),
        ]
        for _ in range(steps):
            try:
                self.chance.choice(acts)()
            except (Refusal, errors.ProviderError, stripe.StripeError):
                continue  # the card, or the network, said no

    def order(self) -> None:
        self.keys.append(uuid4().hex)
        credits = self.chance.choice([500, 777, 1000])
        self.topups.append(self.shop.buy(self.keys[-1], credits))

    def order_again(self) -> None:
        """An answer was lost, or somebody clicked twice."""
        if self.topups:
            topup = self.chance.choice(self.topups)
            again = self.shop.buy(
                topup.idempotency_key, topup.amount_micros // 1_000_000
            )
            assert again.id == topup.id

    def press(self) -> None:
        if self.topups:
            deed = self.chance.choice(["pay", "pay", "decline", "later", "abandon"])
            self.shop.press(self.chance.choice(self.topups), deed)

    def settle(self) -> None:
        if self.topups:
            ref = self.chance.choice(self.topups).provider_ref
            is_paid = self.chance.random() < 0.7
            state = self.shop.sandbox.state
            with state.lock:
                paying.settle(state, ref, is_paid=is_paid)

    def refund(self) -> None:
        intents = list(self.shop.sandbox.state.journal.kept())
        if intents:
            params: Any = {"payment_intent": self.chance.choice(intents)}
            if self.chance.random() < 0.5:
                params["amount"] = self.chance.randint(1, 500)
            self.shop.sandbox.v1.refunds.create(params)

    def dispute(self) -> None:
        state = self.shop.sandbox.state
        found = state.all_of("charge")
        if found:
            with state.lock:
                charges.open_dispute(state, self.chance.choice(found))

    def close(self) -> None:
        state = self.shop.sandbox.state
        found = state.all_of("dispute")
        if found:
            outcome = self.chance.choice(["won", "lost"])
            with state.lock:
                charges.close_dispute(state, self.chance.choice(found), outcome)

    def fault(self) -> None:
        kinds = ["500", "done-then-500", "done-then-cut", "cut"]
        method = self.chance.choice(["POST", "GET"])
        self.shop.sandbox.sandbox.faults.plan(self.chance.choice(kinds), method=method)

    def deliver(self) -> None:
        statuses = self.shop.deliver(self.chance, self.chance.randint(0, 20))
        assert set(statuses) <= {200}

    def sweep(self) -> None:
        self.shop.sweep()

    def end(self) -> None:
        """The network is well again, and the worker runs once."""
        self.shop.sandbox.sandbox.faults.clear()
        if self.chance.random() < 0.5:
            self.shop.deliver(self.chance)
        self.shop.sweep()
