"""The demonstration buys credits, as an owner would: by the portal's own call, paid at
the page of the stand-in for Stripe, whose signed webhook brings the credits."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import CommandError
from django.urls import reverse

from billing.models import TopUp
from billing.payments import prices, rows
from billing.payments.prices import money_text, packs
from billing.reports.balance import balance_of
from billing.values.amounts import credits_text
from proxy.demo import processes
from proxy.demo.lines import Line
from proxy.payments_sandbox.server import PaymentsSandbox

API_KEY = "sk_test_demo"
# The webhook comes within a second; if it is lost, the sweep finds the payment.
SECONDS_MAX = 60


@dataclass(frozen=True, slots=True)
class Till:
    """The stand-in, and what it signs its webhooks with."""

    sandbox: PaymentsSandbox
    secret: str
    before: int  # entries in its journal when this run began

    @property
    def environment(self) -> dict[str, str]:
        """For the server: this Stripe and no other."""
        return {
            "STRIPE_SECRET_KEY": API_KEY,
            "STRIPE_API_BASE": self.sandbox.url,
            "STRIPE_WEBHOOK_SECRET": self.secret,
        }


@contextmanager
def till(url: str) -> Iterator[Till]:
    """The stand-in, which tells the portal at `url` what was paid, until the block
    ends. What it knows is kept for the next time, as the database is."""
    sandbox = PaymentsSandbox(
        API_KEY,
        port=processes.port_or_free(
            "PAYMENTS_SANDBOX_PORT", settings.PAYMENTS_SANDBOX_PORT
        ),
        path=settings.VAR_DIR / "payments_sandbox.json",
    )
    secret = f"whsec_{secrets.token_urlsafe(32)}"
    sandbox.tell(f"{url}/payments/stripe/webhook", secret)
    with sandbox:
        yield Till(sandbox, secret, len(sandbox.state.journal.entries))


def buy(url: str, login: dict[str, Any]) -> Line:
    """The smallest pack, ordered twice under one key, and paid."""
    slug = login["organization"]
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as browser:
        sign_in(browser, login)
        order = {"pack": packs()[0].id, "provider": "stripe"}
        headers = {
            "idempotency-key": secrets.token_hex(8),
            "x-csrftoken": browser.cookies["csrftoken"],
        }
        where = reverse("topup-buy", args=[slug])
        first = browser.post(where, json=order, headers=headers)
        again = browser.post(where, json=order, headers=headers)
    made, same = first.json(), again.json()
    if first.status_code != 201 or same.get("id") != made["id"]:
        return Line("credits bought", f"{first.status_code}", is_right=False)
    form = {"act": "pay", "email": login["email"], "name": "Northwind"}
    httpx.post(made["url"], data=form, timeout=30, trust_env=False)
    topup = paid(made["id"])
    left = balance_of(topup.account_id)
    return Line(
        "credits bought",
        f"{first.status_code}, {topup.status} {price_of(topup)}",
        remaining=credits_text(left.available_micros),
        is_right=topup.is_paid,
    )


def sign_in(browser: httpx.Client, login: dict[str, Any]) -> None:
    """By the form, as a person does. Raises: CommandError."""
    where = reverse("sign-in")
    browser.get(where).raise_for_status()
    sent = {
        "login": login["email"],
        "password": login["password"],
        "csrfmiddlewaretoken": browser.cookies["csrftoken"],
    }
    reply = browser.post(where, data=sent)
    if not reply.is_redirect:
        raise CommandError(f"The demo cannot sign in: {reply.status_code}.")


def paid(topup_id: str) -> TopUp:
    """The order as it is when the webhook has told of it, or after a while."""
    deadline, name = time.monotonic() + SECONDS_MAX, rows.named(topup_id)
    assert name is not None, topup_id
    while True:
        topup = TopUp.objects.get(id=name)
        if topup.is_paid or time.monotonic() > deadline:
            return topup
        time.sleep(0.05)


def price_of(topup: TopUp) -> str:
    return money_text(topup.total_minor, topup.currency)


def prove(found: Till) -> tuple[str, bool]:
    """Money taken in this run is what credits were granted for: a sentence, and whether
    it is so."""
    entries = found.sandbox.state.journal.entries[found.before :]
    taken = {
        entry["payment_intent"]: entry["amount"]
        for entry in entries
        if entry["kind"] == "taken"
    }
    bought = list(TopUp.objects.filter(payment_ref__in=taken, grant__isnull=False))
    ours = {topup.payment_ref: topup.total_minor for topup in bought}
    granted = sum(topup.amount_micros for topup in bought)
    currency = prices.currency()
    is_equal = ours == taken and bool(taken)
    return (
        f"We granted {credits_text(granted)} credits for "
        f"{money_text(sum(ours.values()), currency)}, "
        f"the payments' journal says {money_text(sum(taken.values()), currency)}: "
        f"{'equal' if is_equal else 'DIFFERENT'}."
    ), is_equal
