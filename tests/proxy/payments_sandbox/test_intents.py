"""Payment and setup intents, refunds and disputes, through the official SDK."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from proxy.payments_sandbox import paying
from proxy.payments_sandbox.charges import close_dispute
from tests.support.payments_sandbox import Stripe

pytestmark = pytest.mark.once


def saved(shop: Stripe, card: str = "pm_card_visa") -> tuple[str, str]:
    """A customer and a card that is saved for later."""
    customer = shop.v1.customers.create({"email": "ann@example.com"})
    method = shop.v1.payment_methods.attach(card, {"customer": customer.id})
    return customer.id, method.id


def take(shop: Stripe, customer: str, method: str, **more: Any) -> stripe.PaymentIntent:
    params: Any = {
        "amount": 1000,
        "currency": "eur",
        "customer": customer,
        "payment_method": method,
        "off_session": True,
        "confirm": True,
        **more,
    }
    return shop.v1.payment_intents.create(params)


def test_a_saved_card_pays_while_nobody_looks(shop: Stripe) -> None:
    customer, method = saved(shop)
    intent = take(shop, customer, method, metadata={"topup": "7"})
    assert (intent.status, intent.amount_received) == ("succeeded", 1000)
    assert shop.taken() == {"eur": 1000}
    assert shop.state.journal.entries[0]["metadata"] == {"topup": "7"}
    found = shop.v1.payment_intents.list({"customer": customer})
    assert [each.id for each in found.data] == [intent.id]


@pytest.mark.parametrize(
    ("card", "code", "decline"),
    [
        ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
        ("pm_card_authenticationRequired", "authentication_required", None),
        ("pm_card_authenticationRequiredOnSetup", "authentication_required", None),
    ],
)
def test_a_saved_card_fails_while_nobody_looks(
    shop: Stripe, card: str, code: str, decline: str | None
) -> None:
    customer, method = saved(shop, card)
    with pytest.raises(stripe.CardError) as refused:
        take(shop, customer, method)
    assert (refused.value.http_status, refused.value.code) == (402, code)
    assert refused.value.error
    told = refused.value.error.payment_intent
    assert told
    intent = shop.v1.payment_intents.retrieve(told.id)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error
    assert intent.last_payment_error.decline_code == decline
    assert shop.taken() == {}
    assert shop.kinds()[-1] == "payment_intent.payment_failed"


def test_a_card_that_declines_is_not_even_saved(shop: Stripe) -> None:
    with pytest.raises(stripe.CardError, match="declined"):
        saved(shop, "pm_card_chargeDeclined")


def test_a_card_authenticated_once_pays_later_by_itself(shop: Stripe) -> None:
    customer = shop.v1.customers.create({"email": "ann@example.com"}).id
    card = "pm_card_authenticationRequiredOnSetup"
    setup = shop.v1.setup_intents.create(
        {"customer": customer, "payment_method": card, "confirm": True}
    )
    assert setup.status == "requires_action"
    paying.authenticate(shop.state, setup.id, succeeds=True)
    setup = shop.v1.setup_intents.retrieve(setup.id)
    assert setup.status == "succeeded"
    intent = take(shop, customer, str(setup.payment_method))
    assert intent.status == "succeeded"


@pytest.mark.parametrize("succeeds", [True, False])
def test_three_d_secure(shop: Stripe, succeeds: bool) -> None:
    made = shop.session()
    shop.press(made.id, "authenticate")
    found = shop.v1.checkout.sessions.retrieve(made.id, {"expand": ["payment_intent"]})
    intent: Any = found.payment_intent
    assert intent.status == "requires_action"
    assert f"/pay/authenticate/{intent.id}" in intent.next_action.redirect_to_url.url
    if succeeds:
        paying.authenticate(shop.state, intent.id, succeeds=True)
    else:
        with pytest.raises(Exception, match="could not be authenticated"):
            paying.authenticate(shop.state, intent.id, succeeds=False)
    found = shop.v1.checkout.sessions.retrieve(made.id)
    assert found.status == ("complete" if succeeds else "open")
    assert shop.taken() == ({"eur": 2500} if succeeds else {})


def test_confirmed_later_and_canceled(shop: Stripe) -> None:
    made = shop.v1.payment_intents.create({"amount": 700, "currency": "usd"})
    assert made.status == "requires_payment_method"
    paid = shop.v1.payment_intents.confirm(made.id, {"payment_method": "pm_card_visa"})
    assert paid.status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.v1.payment_intents.cancel(made.id)
    assert refused.value.code == "payment_intent_unexpected_state"
    other = shop.v1.payment_intents.create({"amount": 700, "currency": "usd"})
    assert shop.v1.payment_intents.cancel(other.id).status == "canceled"
    assert shop.taken() == {"usd": 700}


def test_refunds_give_back_what_was_taken_and_no_more(shop: Stripe) -> None:
    intent = take(shop, *saved(shop))
    shop.v1.refunds.create({"payment_intent": intent.id, "amount": 400})
    assert shop.taken() == {"eur": 600}
    with pytest.raises(stripe.InvalidRequestError, match="between 1 and 600"):
        shop.v1.refunds.create({"payment_intent": intent.id, "amount": 601})
    rest = shop.v1.refunds.create({"payment_intent": intent.id})
    assert (rest.amount, rest.status) == (600, "succeeded")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_already_refunded"
    assert shop.taken() == {"eur": 0}
    charge = shop.v1.charges.retrieve(str(intent.latest_charge))
    assert charge.refunded
    assert len(shop.v1.refunds.list({"payment_intent": intent.id}).data) == 2


@pytest.mark.parametrize(("outcome", "left"), [("won", 1000), ("lost", 0)])
def test_disputes(shop: Stripe, outcome: str, left: int) -> None:
    intent = take(shop, *saved(shop, "pm_card_createDispute"))
    [dispute] = shop.v1.disputes.list({"payment_intent": intent.id}).data
    assert (dispute.status, dispute.amount) == ("needs_response", 1000)
    assert shop.taken() == {"eur": 0}
    with pytest.raises(stripe.InvalidRequestError, match="disputed"):
        shop.v1.refunds.create({"payment_intent": intent.id})
    close_dispute(shop.state, shop.state.objects[dispute.id], outcome)
    assert shop.v1.disputes.retrieve(dispute.id).status == outcome
    assert shop.taken() == {"eur": left}
    assert shop.state.journal.kept() == {intent.id: left}


@pytest.mark.parametrize("amount", [0, 49, -5, 100_000_000, "ten", "1e3"])
def test_bad_amounts(shop: Stripe, amount: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.v1.payment_intents.create({"amount": amount, "currency": "eur"})
    assert refused.value.param == "amount"


def test_another_customers_card_does_not_pay(shop: Stripe) -> None:
    _, method = saved(shop)
    other, _ = saved(shop)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        take(shop, other, method)
    assert refused.value.param == "payment_method"


def test_lists_are_paged_by_the_sdk(shop: Stripe) -> None:
    made = [
        shop.v1.payment_intents.create({"amount": 100 + n, "currency": "eur"}).id
        for n in range(7)
    ]
    page = shop.v1.payment_intents.list({"limit": 3})
    assert [each.id for each in page.auto_paging_iter()] == made[::-1]
    newest = shop.v1.payment_intents.list({"created": {"gt": 4_000_000_000}})
    assert newest.data == []
