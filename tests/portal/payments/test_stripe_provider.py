"""Stripe by its own SDK, against the sandbox: what is asked, and what is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from billing.models import AutoTopUp, Buyer, TopUp
from billing.payments import automatic, errors, intake, orders, providers
from billing.payments.settlement import DoesNotFit
from portal.models import Organization, User
from proxy.payments_sandbox.errors import Refusal
from tests.support.cast import actor_of
from tests.support.ledger.payers import wrong_in_the_ledger
from tests.support.payments_sandbox import Stripe
from tests.support.portal.bought import set_up
from tests.support.portal.card_shop import CardShop

pytestmark = pytest.mark.once


@pytest.fixture
def shop(organization: Organization, selling: Settings) -> Iterator[CardShop]:
    with Stripe() as sandbox:
        yield CardShop(organization, sandbox)
    assert wrong_in_the_ledger() == []


@pytest.fixture
def auto(shop: CardShop, alice: User) -> AutoTopUp:
    """With a card from a payment in Checkout, and due: Acme has 2,000 credits."""
    topup = shop.buy(saves_method=True)
    shop.press(topup)
    shop.deliver()
    order: AutoTopUp = set_up(shop.organization, actor_of(alice))
    order.threshold_micros = 2_500_000_000
    order.save()
    return order


def only_automatic() -> TopUp:
    return TopUp.objects.get(is_automatic=True)


def test_what_a_session_is_made_of(shop: CardShop) -> None:
    topup = shop.buy()
    made: Any = shop.sandbox.v1.checkout.sessions.retrieve(
        topup.provider_ref, {"expand": ["line_items"]}
    )
    assert (made.ui_mode, made.mode) == ("hosted_page", "payment")
    assert made.client_reference_id == topup.public_id
    assert made.amount_total == 1000
    assert made.tax_id_collection.enabled
    assert made.line_items.data[0].description == "1000 credits"
    assert topup.pay_url == made.url
    buyer = Buyer.objects.get()
    assert made.customer == buyer.customer_ref


def test_all_orders_of_an_organization_have_one_customer(shop: CardShop) -> None:
    for _ in range(3):
        shop.press(shop.buy())
    assert len(shop.sandbox.v1.customers.list().data) == 1


@pytest.mark.parametrize("fault", ["done-then-cut", "done-then-500", "500", "cut"])
def test_an_answer_that_was_lost_is_got_again(shop: CardShop, fault: str) -> None:
    """The same call with the same key: the same session, whatever was done before."""
    shop.sandbox.sandbox.faults.plan(fault, "checkout/sessions")
    with pytest.raises(errors.ProviderDown):
        shop.buy("k")
    again = shop.buy("k")
    assert again.pay_url
    assert len(shop.sandbox.v1.checkout.sessions.list().data) == 1
    shop.press(again)
    shop.deliver()
    assert shop.granted() == shop.owed()


def test_a_key_that_stripe_knows_otherwise_is_another_attempt(
    shop: CardShop,
) -> None:
    """E.g. after PUBLIC_URL was changed between two attempts."""
    shop.sandbox.sandbox.faults.plan("done-then-cut", "checkout/sessions")
    with pytest.raises(errors.ProviderDown):
        shop.buy("k")
    shop.provider._public_url = "https://moved.example"
    again = shop.buy("k")
    assert (again.attempt, again.pay_url != "") == (2, True)
    shop.press(again)
    shop.deliver()
    assert shop.granted() == shop.owed()


def test_a_session_that_nobody_paid_expires(shop: CardShop) -> None:
    topup = shop.buy()
    shop.sandbox.state.advance(25 * 3600)
    shop.sweep()
    topup.refresh_from_db()
    assert (topup.status, topup.look_at) == ("expired", None)


def test_a_declined_card_leaves_the_order_open(shop: CardShop) -> None:
    topup = shop.buy()
    with pytest.raises(Refusal, match="declined"):
        shop.press(topup, "decline")
    shop.deliver()
    topup.refresh_from_db()
    assert topup.status == "pending"
    shop.press(topup)
    shop.deliver()
    topup.refresh_from_db()
    assert topup.status == "paid"


def test_the_saved_card_is_charged(shop: CardShop, auto: AutoTopUp) -> None:
    assert automatic.run_due(shop.source) == 1
    topup = only_automatic()
    assert (topup.status, topup.payment_ref) == ("paid", topup.provider_ref)
    shop.deliver()  # its webhook, too
    assert shop.granted() == shop.owed()
    assert len(shop.granted()) == 2


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("pm_card_chargeCustomerFail", "card_declined"),
        ("pm_card_authenticationRequired", "authentication_required"),
    ],
)
def test_any_card_error_ends_the_attempt(
    shop: CardShop, auto: AutoTopUp, card: str, reason: str
) -> None:
    buyer = Buyer.objects.get()
    made = shop.sandbox.v1.payment_methods.attach(
        card, {"customer": buyer.customer_ref}
    )
    buyer.method_ref = made.id
    buyer.save()
    automatic.run_due(shop.source)
    topup = only_automatic()
    assert (topup.status, topup.reason) == ("failed", reason)
    auto.refresh_from_db()
    assert auto.failures == 1
    assert auto.not_before is not None
    shop.deliver()
    assert shop.granted() == shop.owed()


@pytest.mark.parametrize("fault", ["done-then-cut", "done-then-500", "500", "cut"])
def test_a_charge_whose_answer_was_lost_is_made_once(
    shop: CardShop, auto: AutoTopUp, fault: str
) -> None:
    assert shop.provider.method_of(TopUp.objects.get().payment_ref)
    shop.sandbox.sandbox.faults.plan(fault, "payment_intents")
    automatic.run_due(shop.source)
    assert only_automatic().status == "pending"
    shop.sweep()
    assert only_automatic().status == "paid"
    assert shop.granted() == shop.owed()
    assert len(shop.sandbox.v1.payment_intents.list().data) == 2


def test_what_stripe_says_of_another_order_is_not_taken(shop: CardShop) -> None:
    """An answer to a question, that does not fit."""
    topup, other = shop.buy(), shop.buy()
    shop.press(other)
    [report] = shop.provider.look(other)
    with pytest.raises(DoesNotFit):
        intake.take(topup.id, report, by="a test")
    assert orders.take_all(topup, [report]).status == "pending"


def test_without_a_key_stripe_is_off(shop: CardShop, settings: Settings) -> None:
    settings.MANUAL_TOPUPS = False
    for name in ("stripe", "manual", "paypal", ""):
        with pytest.raises(errors.ProviderOff):
            providers.configured(name)
    assert providers.names() == []
