"""Stripe's events as it writes them, signed or forged, and posted to the webhook."""

from __future__ import annotations

import json
import time
from typing import Any

import stripe
from django.test import Client

from billing.models import TopUp

SECRET = "whsec_of_these_tests_long_enough"
URL = "/payments/stripe/webhook"


def session(topup: TopUp, **changes: Any) -> dict[str, Any]:
    """A Checkout Session that is paid, as its event has it; with changes."""
    return {
        "id": topup.provider_ref or f"cs_{topup.id.hex}",
        "object": "checkout.session",
        "mode": "payment",
        "status": "complete",
        "payment_status": "paid",
        "client_reference_id": topup.public_id,
        "currency": topup.currency,
        "amount_total": topup.price_minor,
        "total_details": {"amount_tax": 0},
        "payment_intent": f"pi_{topup.id.hex}",
        "customer": "cus_1",
        "customer_details": {
            "name": "Ann",
            "address": {"line1": "Road 1", "city": "Bonn", "country": "DE"},
            "tax_ids": [{"type": "eu_vat", "value": "DE123456789"}],
        },
        "metadata": {"topup": topup.public_id, "account": str(topup.account_id)},
    } | changes


def event(
    thing: dict[str, Any],
    kind: str = "checkout.session.completed",
    event_id: str = "evt_1",
) -> dict[str, Any]:
    return {
        "id": event_id,
        "object": "event",
        "type": kind,
        "created": int(time.time()),
        "data": {"object": thing},
    }


def signature(body: str, secret: str = SECRET, *, at: int | None = None) -> str:
    made: str = stripe.WebhookSignature.generate_signature_header(body, secret, at)
    return made


def post(
    told: dict[str, Any] | str,
    *,
    signed: str | None = None,
    client: Client | None = None,
) -> int:
    """The status that it is answered with. `signed`: another signature; empty: none."""
    body = told if isinstance(told, str) else json.dumps(told)
    if signed is None:
        signed = signature(body)
    headers = {"Stripe-Signature": signed} if signed else {}
    answer = (client or Client()).post(
        URL, body, content_type="application/json", headers=headers
    )
    return answer.status_code
