"""Webhooks: signed so that the SDK takes them, and as badly delivered as wanted."""

from __future__ import annotations

import json

import pytest
import stripe

from proxy.payments_sandbox.deliveries import Behaviour, Delivery
from tests.support.payments_sandbox import SECRET, Shop, Stripe
from tests.support.waiting import wait_for

pytestmark = pytest.mark.once

HOOK = "http://127.0.0.1:9/hook"


def drained(shop: Stripe) -> list[Delivery]:
    """Everything that is to be sent, now or later, in the order of its time."""
    found = []
    while delivery := shop.state.deliveries.take(is_due_later_too=True):
        found.append(delivery)
        shop.state.deliveries.report(delivery, 200)
    return found


def paid(shop: Stripe) -> str:
    session = shop.session().id
    shop.press(session, "pay")
    return session


def test_the_sdk_verifies_them(shop: Stripe) -> None:
    shop.sandbox.tell(HOOK, SECRET)
    paid(shop)
    sent = drained(shop)
    for delivery in sent:
        signature = delivery.headers(shop.state.clock())["stripe-signature"]
        stripe.Webhook.construct_event(delivery.body, signature, SECRET)
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(delivery.body, signature, SECRET + "x")
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(delivery.body + b" ", signature, SECRET)
        old = delivery.headers(shop.state.clock() - 301)["stripe-signature"]
        with pytest.raises(stripe.SignatureVerificationError, match="tolerance"):
            stripe.Webhook.construct_event(delivery.body, old, SECRET)
    both = ["checkout.session.completed", "charge.succeeded"]
    assert [each.type for each in shop.v1.events.list({"types": both}).data] == both
    listed = shop.v1.events.list({"type": "checkout.session.completed"})
    assert listed.data[0].id == sent[-1].event_id


def test_they_are_posted_and_sent_again_until_taken() -> None:
    with Shop((500, 302)) as receiver, Stripe(is_told=True) as shop:
        shop.state.deliveries.behave(Behaviour(retry_seconds=(0.01, 0.01, 0.01)))
        shop.sandbox.tell(receiver.url, SECRET)
        shop.v1.customers.create({"email": "ann@example.com"})
        wait_for(shop.state.deliveries.is_idle, explain=lambda: receiver.posted)
        events = receiver.events()
        assert [each.type for each in events] == ["customer.created"] * 3
        assert len({each.id for each in events}) == 1
        outcomes = [each["outcome"] for each in shop.state.deliveries.log]
        assert sorted(outcomes) == [200, 302, 500]


def test_they_give_up_in_the_end(shop: Stripe) -> None:
    shop.state.deliveries.behave(Behaviour(retry_seconds=(1, 1)))
    shop.sandbox.tell(HOOK, SECRET)
    shop.v1.customers.create({"email": "ann@example.com"})
    attempts = 0
    while delivery := shop.state.deliveries.take(is_due_later_too=True):
        attempts += 1
        shop.state.deliveries.report(delivery, "ConnectError")
    assert attempts == 3
    assert shop.state.deliveries.is_idle()


@pytest.mark.parametrize(
    ("behaviour", "sent", "different"),
    [
        (Behaviour(loss=1), 0, 0),
        (Behaviour(), 4, 4),
        (Behaviour(repeat=1), 8, 4),
        (Behaviour(double=1), 8, 8),
    ],
    ids=["loss", "plain", "repeat", "double"],
)
def test_loss_repeat_and_two_events_for_one_change(
    shop: Stripe, behaviour: Behaviour, sent: int, different: int
) -> None:
    shop.state.deliveries.behave(behaviour)
    shop.sandbox.tell(HOOK, SECRET)
    paid(shop)
    found = drained(shop)
    assert len(found) == sent
    assert len({each.event_id for each in found}) == different
    about = {json.loads(each.body)["data"]["object"]["id"] for each in found}
    assert len(about) == (3 if sent else 0)
    # Whatever is not delivered can be asked for.
    assert len(shop.v1.events.list().data) == max(4, different)


def test_a_delay_changes_their_order(shop: Stripe) -> None:
    shop.state.deliveries.behave(Behaviour(delay_seconds=60, seed=3))
    shop.sandbox.tell(HOOK, SECRET)
    for _ in range(3):
        paid(shop)
    assert shop.state.deliveries.take() is None
    order = [each.number for each in drained(shop)]
    assert sorted(order) == list(range(1, 13))
    assert order != sorted(order)


def test_held_ones_wait(shop: Stripe) -> None:
    shop.state.deliveries.behave(Behaviour(is_held=True))
    shop.sandbox.tell(HOOK, SECRET)
    paid(shop)
    assert drained(shop) == []
    shop.state.deliveries.behave(Behaviour())
    assert len(drained(shop)) == 4


def test_an_endpoint_made_by_the_sdk_gets_what_it_wants(shop: Stripe) -> None:
    made = shop.v1.webhook_endpoints.create(
        {"url": HOOK, "enabled_events": ["checkout.session.completed"]}
    )
    assert made.secret
    session = paid(shop)
    [delivery] = drained(shop)
    signature = delivery.headers(shop.state.clock())["stripe-signature"]
    event = stripe.Webhook.construct_event(delivery.body, signature, made.secret)
    assert event.data.object["id"] == session
    assert "secret" not in shop.v1.webhook_endpoints.retrieve(made.id)
    shop.v1.webhook_endpoints.delete(made.id)
    paid(shop)
    assert drained(shop) == []
