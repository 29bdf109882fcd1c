"""Stripe's webhook: whatever is forged, old or does not fit its order gives nothing."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import Settings

from billing.models import Grant, PaymentEvent, TopUp
from billing.payments import prices, topups
from portal.models import AuditEvent, Organization, User
from tests.support.portal.stripe_events import (
    SECRET,
    event,
    post,
    session,
    signature,
)


@pytest.fixture(autouse=True)
def _nothing_is_credited_unless_it_says_so(topup: TopUp) -> None:
    assert bought(topup) == 0


def bought(topup: TopUp) -> int:
    """Grants that it gave."""
    reference = f"grant:topup:{topup.id.hex}"
    return Grant.objects.filter(transfer__reference=reference).count()


def body_of(topup: TopUp, **changes: Any) -> str:
    return json.dumps(event(session(topup, **changes)))


def test_a_paid_session_is_credited_once(topup: TopUp) -> None:
    assert [post(event(session(topup))) for _ in range(2)] == [200, 200]

    topup.refresh_from_db()
    assert (topup.status, bought(topup)) == ("paid", 1)
    assert topup.receipt_number is not None
    assert (topup.buyer_name, topup.buyer_tax_id) == ("Ann", "DE123456789")
    assert topup.buyer_address == "Road 1\nBonn\nDE"
    [row] = AuditEvent.objects.filter(action="topup.paid")
    assert (row.target, row.actor_label) == (topup.public_id, "stripe")


# --- whose word it is -----------------------------------------------------------------


def refused(topup: TopUp, status: int, body: str, signed: str) -> None:
    assert post(body, signed=signed) == status
    assert bought(topup) == 0
    assert not PaymentEvent.objects.exists()


def test_nothing_is_believed_without_a_signature(topup: TopUp) -> None:
    refused(topup, 400, body_of(topup), "")


@pytest.mark.parametrize("other", [f"{SECRET}x", "", "whsec_", SECRET[:-1]])
def test_a_forged_signature_is_refused(topup: TopUp, other: str) -> None:
    body = body_of(topup)
    refused(topup, 400, body, signature(body, other))


@pytest.mark.parametrize("secret", ["", " " * 40, "whsec_short", "x" * 23])
def test_without_a_usable_secret_nothing_is_taken(
    topup: TopUp, selling: Settings, secret: str
) -> None:
    """Also what was signed by just that secret."""
    selling.STRIPE_WEBHOOK_SECRET = secret
    body = body_of(topup)
    refused(topup, 503, body, signature(body, secret))


def test_a_changed_body_is_refused(topup: TopUp) -> None:
    body = body_of(topup)
    refused(topup, 400, body + " ", signature(body))


def test_another_scheme_is_refused(topup: TopUp) -> None:
    body = body_of(topup)
    refused(topup, 400, body, signature(body).replace("v1=", "v0="))


@pytest.mark.parametrize("seconds", [-301, 330])
def test_an_old_or_future_signature_is_refused(topup: TopUp, seconds: int) -> None:
    body, at = body_of(topup), int(time.time()) + seconds
    refused(topup, 400, body, signature(body, at=at))


@pytest.mark.parametrize(
    "body",
    ["", "[]", "null", "7", "{}", "{", '{"type": 1}', '"x"', "[" * 5000, '{"id":'],
)
def test_a_signed_body_that_is_no_event_is_refused(topup: TopUp, body: str) -> None:
    refused(topup, 400, body, signature(body))


def test_a_fraction_is_no_amount(topup: TopUp) -> None:
    body = body_of(topup, amount_total=1000.0)
    refused(topup, 400, body, signature(body))


def test_too_much_is_not_read(topup: TopUp) -> None:
    body = json.dumps(event(session(topup)) | {"more": "x" * 300_000})
    refused(topup, 413, body, signature(body))


def test_only_posts_are_taken(client: Client) -> None:
    assert client.get("/payments/stripe/webhook").status_code == 405


# --- whether it fits its order --------------------------------------------------------


def quarantined(topup: TopUp, why: str, **changes: Any) -> None:
    assert post(body_of(topup, **changes)) == 200
    assert bought(topup) == 0
    [row] = PaymentEvent.objects.all()
    assert (row.state, row.why) == ("quarantined", why)
    topup.refresh_from_db()
    assert topup.status == "pending"


@pytest.mark.parametrize("amount", [999, 1001, 0, -1000, 1])
def test_another_amount(topup: TopUp, amount: int) -> None:
    quarantined(topup, "another amount", amount_total=amount)


def test_an_amount_that_tax_below_nothing_makes_right(topup: TopUp) -> None:
    taxed = {"amount_total": 900, "total_details": {"amount_tax": -100}}
    quarantined(topup, "another amount", **taxed)


@pytest.mark.parametrize("currency", ["eur", "USD", "jpy"])
def test_another_currency(topup: TopUp, currency: str) -> None:
    quarantined(topup, "another currency", currency=currency)


def test_no_currency(topup: TopUp) -> None:
    quarantined(topup, "no currency", currency=None)


def test_another_organization(topup: TopUp, mallory: User) -> None:
    theirs = Organization.objects.exclude(account_id=topup.account_id).get()
    meta = {"topup": topup.public_id, "account": str(theirs.account_id)}
    quarantined(topup, "another organization", metadata=meta)


def test_no_organization(topup: TopUp) -> None:
    quarantined(topup, "no organization", metadata={"topup": topup.public_id})


def test_another_order_than_the_one_it_refers_to(topup: TopUp) -> None:
    quarantined(topup, "unknown order", client_reference_id=f"topup_{uuid4().hex}")


def test_two_orders_that_are_named_at_once(
    topup: TopUp, organization: Organization
) -> None:
    """Both are real, and of the same price."""
    wanted = topups.Wanted(prices.offer(credits=1000))
    other = topups.start(organization.account_id, wanted, key="o", asked_by="alice")
    meta = {"topup": other.public_id, "account": str(topup.account_id)}
    quarantined(topup, "unknown order", metadata=meta)
    assert bought(other) == 0


def test_an_unknown_order(topup: TopUp) -> None:
    name = f"topup_{uuid4().hex}"
    meta = {"topup": name, "account": str(topup.account_id)}
    quarantined(topup, "unknown order", client_reference_id=name, metadata=meta)


def test_another_session_than_the_one_that_was_made(topup: TopUp) -> None:
    quarantined(topup, "another order at the provider", id="cs_other")


def test_another_provider(topup: TopUp, organization: Organization) -> None:
    """An order by bank transfer, and a card's webhook."""
    wanted = topups.Wanted(prices.offer(credits=1000), provider="manual")
    manual = topups.start(organization.account_id, wanted, key="m", asked_by="alice")
    quarantined(manual, "another provider")


def test_an_unpaid_session_credits_nothing(topup: TopUp) -> None:
    assert post(body_of(topup, payment_status="unpaid")) == 200
    topup.refresh_from_db()
    assert (topup.status, bought(topup)) == ("pending", 0)
    kind = "checkout.session.async_payment_succeeded"
    assert post(event(session(topup), kind, "evt_2")) == 200
    topup.refresh_from_db()
    assert (topup.status, bought(topup)) == ("paid", 1)


def test_one_payment_pays_one_order(topup: TopUp, organization: Organization) -> None:
    assert post(event(session(topup), event_id="evt_0")) == 200
    wanted = topups.Wanted(prices.offer(credits=1000))
    second = topups.start(organization.account_id, wanted, key="2", asked_by="alice")
    paid = session(second, payment_intent=f"pi_{topup.id.hex}")
    assert post(event(paid, event_id="evt_2")) == 200

    assert (bought(topup), bought(second)) == (1, 0)
    row = PaymentEvent.objects.get(event_id="evt_2")
    assert (row.state, row.why) == ("quarantined", "payment of another top-up")


@pytest.mark.parametrize("kind", ["customer.created", "payment_intent.succeeded"])
def test_what_is_not_about_a_top_up_is_ignored(topup: TopUp, kind: str) -> None:
    intent = {"id": "pi_1", "status": "succeeded", "amount_received": 1000}
    assert post(event(intent, kind)) == 200
    assert PaymentEvent.objects.get().state == "ignored"
    assert bought(topup) == 0


def test_a_refund_that_failed_is_for_a_person_to_look_at(topup: TopUp) -> None:
    refund = {"id": "re_1", "object": "refund", "status": "failed"}
    assert post(event(refund, "refund.failed")) == 200
    assert PaymentEvent.objects.get().why == (
        "the refund re_1 failed: give its credits back"
    )
