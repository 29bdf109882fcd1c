"""The sweep is killed at every point of its way; the next one finishes: everything that
was paid is credited, once, and nothing is charged twice. Costs 6 s.

`PAYMENT_KILLS` says at how many passes of each point; `make endure` has all of them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from uuid import uuid4

import pytest
from pytest_django import Settings

from billing.models import AutoTopUp, Buyer, TopUp, TopUpRefund
from billing.payments import automatic, topups
from billing.payments.prices import offer
from portal.models import AuditEvent
from tests.support.cast import actor_of, make_organization, make_user
from tests.support.payments_sandbox import KEY, Stripe
from tests.support.portal.bought import set_up
from tests.support.portal.card_shop import CardShop
from tests.support.services.commands import manage

PASSES = int(os.environ.get("PAYMENT_KILLS", "1"))
POINTS = {
    "payments.read": 5,
    "payments.before_commit": 4,
    "payments.looked": 2,
    "payments.begun": 1,
    "payments.ordered": 1,
    "payments.charged": 1,
}
KILLED = -signal.SIGKILL


@pytest.fixture
def shop(committed_db: None, selling: Settings) -> Iterator[CardShop]:
    """Two paid orders whose webhooks are lost, one of them refunded; one that Stripe
    has not heard of; and an automatic one that is due."""
    owner = make_user(f"{uuid4().hex}@example.com")
    organization = make_organization(f"Killed {uuid4().hex[:8]}", owner, credits=0)
    with Stripe() as sandbox:
        shop = CardShop(organization, sandbox)
        paid, refunded = shop.buy(saves_method=True), shop.buy(credits=777)
        shop.press(paid)
        shop.press(refunded)
        intent = sandbox.v1.checkout.sessions.retrieve(refunded.provider_ref)
        sandbox.v1.refunds.create({"payment_intent": str(intent.payment_intent)})
        unheard = topups.Wanted(offer(credits=500))
        topups.start(organization.account_id, unheard, key="x", asked_by="a test")
        set_up(organization, actor_of(owner))
        # Ten more than the paid ones have: one automatic top-up is due.
        order = AutoTopUp.objects.get(account_id=organization.account_id)
        order.threshold_micros = 1_010_000_000
        order.save()
        yield shop
        automatic.turn_off(organization.account_id)
        mine = TopUp.objects.filter(account_id=organization.account_id)
        mine.update(look_at=None)  # another test's sandbox does not know them


def sweep(shop: CardShop, **variables: str) -> int:
    TopUp.objects.filter(account_id=shop.organization.account_id).exclude(
        look_at=None
    ).update(look_at="2026-01-01T00:00:00Z")
    url = shop.sandbox.sandbox.url
    done = manage(
        "topups", "sweep", STRIPE_SECRET_KEY=KEY, STRIPE_API_BASE=url, **variables
    )
    assert done.returncode in (0, KILLED), done.stderr
    return done.returncode


CASES = [
    (point, number)
    for point, passes in POINTS.items()
    for number in range(1, min(passes, PASSES) + 1)
]


@pytest.mark.parametrize(("point", "number"), CASES)
def test_killed_anywhere_the_next_sweep_finishes(
    shop: CardShop, point: str, number: int
) -> None:
    if point == "payments.looked":  # each order is asked about when events fail
        faults = shop.sandbox.sandbox.faults
        faults.plan("500", "events", method="GET", count=2)
    assert sweep(shop, CRASHPOINT=f"{point}:{number}") == KILLED
    shop.sweep()
    automatic.run_due(shop.source)
    shop.sweep()

    owed = shop.owed()
    assert shop.granted() == owed
    assert len(owed) == 3
    account_id = shop.organization.account_id
    assert TopUp.objects.filter(account_id=account_id, is_automatic=True).count() == 1
    assert Buyer.objects.get(account_id=account_id).method_ref
    paid = AuditEvent.objects.filter(
        organization=shop.organization, action="topup.paid"
    )
    assert paid.count() == 3
    intents = shop.sandbox.v1.payment_intents.list().data
    assert len(intents) == 3, "charged twice"


def test_a_refund_that_was_cut_is_made_once(shop: CardShop) -> None:
    """Killed between the provider's answer and our own row of it."""
    sweep(shop)
    topup = TopUp.objects.get(
        account_id=shop.organization.account_id, saves_method=True
    )
    url = shop.sandbox.sandbox.url
    killed = manage(
        *("topups", "refund", topup.public_id, "--amount", "4.00"),
        *("--reference", "r", "--reason", "asked for"),
        STRIPE_SECRET_KEY=KEY,
        STRIPE_API_BASE=url,
        CRASHPOINT="payments.refunded",
    )
    assert killed.returncode == KILLED, killed.stderr
    mine = TopUpRefund.objects.filter(topup=topup)
    assert mine.get().state == "asked"
    mine.update(look_at="2026-01-01T00:00:00Z")
    sweep(shop)
    assert mine.get().state == "done"
    amounts = [
        entry["amount"]
        for entry in shop.sandbox.state.journal.entries
        if entry["kind"] == "returned" and entry["metadata"]["topup"] == topup.public_id
    ]
    assert amounts == [400]
    assert shop.granted() == shop.owed()
    written = AuditEvent.objects.filter(action="topup.refund", target=topup.public_id)
    assert written.count() == 1
