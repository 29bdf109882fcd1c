"""Checkout sessions through the official SDK, and the buttons of the hosted page."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from proxy.payments_sandbox.errors import Refusal
from tests.support.payments_sandbox import Stripe

pytestmark = pytest.mark.once


def test_a_session_is_paid(shop: Stripe) -> None:
    made = shop.session(2500, metadata={"organization": "7"})
    assert (made.status, made.payment_status, made.payment_intent) == (
        "open",
        "unpaid",
        None,
    )
    assert made.url == f"{shop.sandbox.url}/pay/{made.id}"
    shop.press(made.id, "pay", email="ann@example.com", name="Ann")
    found = shop.v1.checkout.sessions.retrieve(
        made.id, {"expand": ["payment_intent.latest_charge", "line_items"]}
    )
    assert (found.status, found.payment_status, found.url) == ("complete", "paid", None)
    assert found.client_reference_id == "topup_1"
    assert found.metadata
    assert found.metadata.to_dict() == {"organization": "7"}
    assert found.customer_details
    assert found.customer_details.email == "ann@example.com"
    intent: Any = found.payment_intent
    assert (intent.status, intent.amount_received) == ("succeeded", 2500)
    assert intent.latest_charge.paid
    assert found.line_items
    assert found.line_items.data[0].amount_total == 2500
    assert shop.taken() == {"eur": 2500}
    [entry] = shop.state.journal.entries
    assert (entry["session"], entry["reference"]) == (made.id, "topup_1")
    assert shop.kinds() == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


def test_a_declined_card_leaves_the_session_open(shop: Stripe) -> None:
    made = shop.session()
    with pytest.raises(Refusal, match="declined"):
        shop.press(made.id, "decline")
    found = shop.v1.checkout.sessions.retrieve(made.id)
    assert (found.status, found.payment_status) == ("open", "unpaid")
    assert shop.taken() == {}
    shop.press(made.id, "pay")
    assert shop.taken() == {"eur": 2500}
    assert len(shop.v1.payment_intents.list().data) == 1


def test_a_session_is_paid_once(shop: Stripe) -> None:
    made = shop.session()
    shop.press(made.id, "pay")
    with pytest.raises(Refusal, match="complete"):
        shop.press(made.id, "pay")
    assert shop.taken() == {"eur": 2500}


@pytest.mark.parametrize("arrives", [True, False])
def test_money_that_comes_later(shop: Stripe, arrives: bool) -> None:
    from proxy.payments_sandbox import paying

    made = shop.session()
    shop.press(made.id, "later")
    found = shop.v1.checkout.sessions.retrieve(made.id)
    assert (found.status, found.payment_status) == ("complete", "unpaid")
    assert shop.taken() == {}
    paying.settle(shop.state, made.id, is_paid=arrives)
    found = shop.v1.checkout.sessions.retrieve(made.id)
    assert found.payment_status == ("paid" if arrives else "unpaid")
    assert shop.taken() == ({"eur": 2500} if arrives else {})
    end = "succeeded" if arrives else "failed"
    assert shop.kinds()[-1] == f"checkout.session.async_payment_{end}"


def test_sessions_expire_by_the_clock_and_by_hand(shop: Stripe) -> None:
    left, ended = shop.session(), shop.session()
    shop.v1.checkout.sessions.expire(ended.id)
    with pytest.raises(stripe.InvalidRequestError, match="open can be expired"):
        shop.v1.checkout.sessions.expire(ended.id)
    shop.state.advance(24 * 3600 + 1)
    found = shop.v1.checkout.sessions.list({"status": "expired"})
    assert {each.id for each in found.data} == {left.id, ended.id}
    assert shop.kinds() == ["checkout.session.expired"] * 2
    with pytest.raises(Refusal, match="expired"):
        shop.press(left.id, "pay")


def test_a_card_is_saved_and_a_tax_id_collected(shop: Stripe) -> None:
    customer = shop.v1.customers.create({"email": "ann@example.com"})
    made = shop.session(
        customer=customer.id,
        customer_update={"name": "auto", "address": "auto"},
        tax_id_collection={"enabled": True},
        billing_address_collection="required",
        payment_intent_data={
            "setup_future_usage": "off_session",
            "metadata": {"topup": "1"},
        },
    )
    told = {"country": "DE", "tax_id": "DE 123456789", "tax_id_type": "eu_vat"}
    shop.press(made.id, "pay", name="Ann GmbH", **told)
    found = shop.v1.customers.retrieve(customer.id)
    assert (found.name, found.address and found.address.country) == ("Ann GmbH", "DE")
    [tax_id] = shop.v1.customers.tax_ids.list(customer.id).data
    assert (tax_id.type, tax_id.value) == ("eu_vat", "DE123456789")
    [method] = shop.v1.customers.payment_methods.list(customer.id).data
    assert method.card
    assert method.card.last4 == "4242"
    [intent] = shop.v1.payment_intents.list({"customer": customer.id}).data
    assert intent.metadata["topup"] == "1"


def test_a_card_is_saved_without_a_payment(shop: Stripe) -> None:
    customer = shop.v1.customers.create({"email": "ann@example.com"})
    made = shop.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "customer": customer.id,
            "currency": "eur",
            "success_url": "https://shop.example/saved",
        }
    )
    shop.press(made.id, "pay")
    found = shop.v1.checkout.sessions.retrieve(made.id, {"expand": ["setup_intent"]})
    setup: Any = found.setup_intent
    assert (found.status, setup.status) == ("complete", "succeeded")
    assert len(shop.v1.customers.payment_methods.list(customer.id).data) == 1
    assert shop.taken() == {}


BAD: list[tuple[str, dict[str, Any]]] = [
    ("ui_mode", {"ui_mode": "hosted"}),
    ("mode", {"mode": "subscription"}),
    ("success_url", {"success_url": "nowhere"}),
    ("line_items", {"line_items": []}),
    ("client_reference_id", {"client_reference_id": "x" * 201}),
    ("expires_at", {"expires_at": 1}),
    ("customer", {"customer": "cus_nobody"}),
    ("prices", {"prices": "nothing of that name"}),
    ("customer_update", {"customer_update": {"name": "auto"}}),
]


@pytest.mark.parametrize(("param", "more"), BAD, ids=[name for name, _ in BAD])
def test_what_stripe_refuses_is_refused(
    shop: Stripe, param: str, more: dict[str, Any]
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.session(**more)
    assert refused.value.param == param
    assert not shop.v1.checkout.sessions.list().data


def test_tax_ids_of_a_known_customer_need_the_name_updated(shop: Stripe) -> None:
    customer = shop.v1.customers.create({"email": "ann@example.com"})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.session(customer=customer.id, tax_id_collection={"enabled": True})
    assert refused.value.param == "customer_update"
