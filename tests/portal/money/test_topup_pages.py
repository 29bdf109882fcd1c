"""Buying credits on pages: by card at the payment provider's, by bank transfer, and
without being asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

from billing.models import AutoTopUp, Consent, TopUp
from billing.payments import topups
from billing.reports.balance import balance_of
from billing.values.orders import CREDIT
from portal.models import AuditEvent, Organization, Role, User
from portal.tenants import members, organizations
from tests.support.cast import OPERATOR, make_user
from tests.support.payments_sandbox import KEY, Stripe
from tests.support.portal import pages
from tests.support.portal.forms import forms_of
from tests.support.portal.limit_pages import signed_in

pytestmark = pytest.mark.once

BUY = "/o/acme/billing/top-up/"
AUTOMATIC = "/o/acme/billing/automatic"


@pytest.fixture
def shop(settings: LazySettings) -> Iterator[Stripe]:
    """Stripe, as the settings name it."""
    with Stripe() as stripe:
        settings.STRIPE_SECRET_KEY = KEY
        settings.STRIPE_API_BASE = stripe.sandbox.url
        yield stripe


def opened(client: Client) -> dict[str, str]:
    """The fields of the form, as they are when nothing was typed."""
    page = client.get(BUY).content.decode()
    return sent_of(page, "ticket")


def sent_of(page: str, field: str) -> dict[str, str]:
    """Of the one form with this field."""
    [form] = [each for each in forms_of(page) if field in each.fields]
    return {name: values[-1] for name, values in form.fields.items()}


def order(client: Client, **typed: str) -> Any:
    """Send the form as it is opened, but for what is typed."""
    return client.post(BUY, {**opened(client), **typed})


def available(organization: Organization) -> int:
    return balance_of(organization.account_id).available_micros // CREDIT


def test_an_owner_buys_a_pack_by_card(
    as_alice: Client, organization: Organization, shop: Stripe
) -> None:
    before = available(organization)
    answer = order(as_alice, buyer_name="Acme <Ltd>", buyer_tax_id="DE123456789")
    topup = TopUp.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"{BUY}{topup.id}")
    page = as_alice.get(answer["Location"])
    assert topup.pay_url.startswith(shop.sandbox.url)
    assert f'href="{topup.pay_url}"' in page.content.decode()
    assert "not paid yet" in page.content.decode()
    assert available(organization) == before
    shop.press(topup.provider_ref, "pay", name="Acme <Ltd>")
    # Its webhook is lost: the owner asks.
    as_alice.post(f"{BUY}{topup.id}/ask")
    assert available(organization) == before + 1000
    assert shop.taken() == {topup.currency: topup.price_minor}
    part = as_alice.get(f"{BUY}{topup.id}?part=state")
    assert "1,000 credits were granted" in part.content.decode()
    again = as_alice.get(
        f"{BUY}{topup.id}?part=state", headers={"if-none-match": part["ETag"]}
    )
    assert again.status_code == 204
    receipt = pages.read(as_alice.get(f"{BUY}{topup.id}/receipt"))
    assert "Receipt 1" in receipt.text
    assert "Acme <Ltd>" in receipt.text
    assert "DE123456789" in receipt.text
    assert not pages.misplaced(receipt)


def test_the_same_form_twice_is_one_order(as_alice: Client, shop: Stripe) -> None:
    page = as_alice.get(BUY)
    [form] = [
        each for each in forms_of(page.content.decode()) if "ticket" in each.fields
    ]
    sent = {name: values[-1] for name, values in form.fields.items()}
    first, second = as_alice.post(BUY, sent), as_alice.post(BUY, sent)
    assert first["Location"] == second["Location"]
    assert TopUp.objects.count() == 1
    assert len(shop.v1.checkout.sessions.list().data) == 1
    changed = as_alice.post(BUY, {**sent, "buyer_name": "Other"})
    assert changed["Location"] == BUY
    assert TopUp.objects.count() == 1
    assert AuditEvent.objects.filter(action="topup.start").count() == 1


BAD = [
    {"choice": "custom", "credits": ""},
    {"choice": "custom", "credits": "1.5"},
    {"choice": "custom", "credits": "-1000"},
    {"choice": "custom", "credits": "499"},
    {"choice": "custom", "credits": "1000001"},
    {"choice": "custom", "credits": "a lot"},
    {"choice": "pack_1_1_usd"},
    {"currency": "xxx"},
    {"way": "barter"},
    {"ticket": ""},
    {"buyer_name": "x" * 201},
    {"buyer_tax_id": "1\x00"},
]


@pytest.mark.parametrize("typed", BAD, ids=str)
def test_bad_input_is_a_field_error(as_alice: Client, typed: dict[str, str]) -> None:
    answer = order(as_alice, **typed)
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "errorlist" in page or 'role="alert"' in page
    assert not TopUp.objects.exists()


def test_a_suspended_organization_buys_nothing(
    as_alice: Client, organization: Organization
) -> None:
    page = as_alice.get(BUY)
    [form] = [
        each for each in forms_of(page.content.decode()) if "ticket" in each.fields
    ]
    sent = {name: values[-1] for name, values in form.fields.items()}
    organizations.suspend(organization, reason="unpaid", actor=OPERATOR)
    answer = as_alice.post(BUY, sent)
    assert "suspended" in answer.content.decode()
    assert not TopUp.objects.exists()


def test_an_invoice_is_paid_by_bank_transfer(
    as_alice: Client, organization: Organization
) -> None:
    before = available(organization)
    answer = order(as_alice, choice="custom", credits="2,500", way="manual")
    topup = TopUp.objects.get()
    page = as_alice.get(answer["Location"]).content.decode()
    assert topup.public_id in page
    assert "Transfer 25.00 USD" in page
    topups.mark_paid(topup.id, payment_ref="bank 7", by="operator")
    assert available(organization) == before + 2500


def test_a_failed_order_says_so_and_leads_back(as_alice: Client) -> None:
    answer = order(as_alice, way="manual")
    topups.fail(TopUp.objects.get().id, reason="no transfer came", by="operator")
    page = as_alice.get(answer["Location"]).content.decode()
    assert "It failed: no transfer came" in page
    assert "Order again" in page
    topup_id = TopUp.objects.get().id
    assert as_alice.get(f"{BUY}{topup_id}/receipt").status_code == 404


def test_the_provider_sends_the_buyer_back_to_the_order(
    as_alice: Client, client: Client, shop: Stripe
) -> None:
    order(as_alice)
    topup = TopUp.objects.get()
    session = shop.v1.checkout.sessions.retrieve(topup.provider_ref)
    path = re.sub("^https?://[^/]*", "", str(session.success_url))
    assert as_alice.get(path)["Location"] == f"{BUY}{topup.id}"
    client.force_login(make_user("stranger@example.com"))
    assert client.get(path).status_code == 404
    assert client.get("/payments/back/topup_1").status_code == 404


@pytest.mark.parametrize(
    ("role", "sees", "buys"),
    [(Role.BILLING, 200, 302), (Role.ADMIN, 200, 404), (Role.VIEWER, 404, 404)],
)
def test_who_may_buy(
    as_alice: Client, organization: Organization, role: Role, sees: int, buys: int
) -> None:
    page = as_alice.get(BUY)
    [form] = [
        each for each in forms_of(page.content.decode()) if "ticket" in each.fields
    ]
    sent = {name: values[-1] for name, values in form.fields.items()}
    person = make_user(f"{role}@example.com")
    members.add(organization, person, role, actor=OPERATOR)
    theirs = signed_in(person)
    assert theirs.get(BUY).status_code == sees
    assert theirs.post(BUY, sent).status_code == buys
    assert theirs.get(AUTOMATIC).status_code == (200 if buys == 302 else 404)


def test_nothing_is_sold_where_no_provider_is_set_up(
    as_alice: Client, settings: LazySettings
) -> None:
    settings.MANUAL_TOPUPS = False
    assert "Credits are not sold" in as_alice.get(BUY).content.decode()


TERMS = {"threshold": "100", "amount": "1000", "month_max": "50"}


def test_automatic_top_ups_need_a_written_consent(
    as_alice: Client, alice: User, organization: Organization, shop: Stripe
) -> None:
    sent = sent_of(as_alice.post(AUTOMATIC, TERMS).content.decode(), "text")
    assert "buy 1000 credits for 10.00 USD" in sent["text"]
    as_alice.post(AUTOMATIC, sent)
    as_alice.post(AUTOMATIC, {**sent, "agrees": "on", "text": "anything"})
    as_alice.post(AUTOMATIC, {**sent, "agrees": "on", "threshold": "200"})
    assert not AutoTopUp.objects.exists()
    as_alice.post(AUTOMATIC, {**sent, "agrees": "on"})
    order = AutoTopUp.objects.get()
    assert (order.is_on, order.threshold_micros) == (True, 100 * CREDIT)
    consent = Consent.objects.get()
    assert (consent.person, consent.text) == (alice.email, sent["text"])
    assert sent["text"] in as_alice.get(AUTOMATIC).content.decode()
    AutoTopUp.objects.update(paused_for="declined")
    assert "declined several times" in as_alice.get(AUTOMATIC).content.decode()
    as_alice.post(f"{AUTOMATIC}/resume")
    assert AutoTopUp.objects.get().paused_for == ""
    as_alice.post(f"{AUTOMATIC}/stop")
    assert not AutoTopUp.objects.get().is_on


@pytest.mark.parametrize(
    "typed",
    [
        {"threshold": ""},
        {"threshold": "0"},
        {"amount": "0.5"},
        {"amount": "1"},
        {"month_max": "9.99"},
        {"month_max": "1e9"},
        {"month_max": "1.001"},
    ],
    ids=str,
)
def test_bad_terms_are_field_errors(
    as_alice: Client, shop: Stripe, typed: dict[str, str]
) -> None:
    page = as_alice.post(AUTOMATIC, {**TERMS, **typed}).content.decode()
    assert "errorlist" in page or 'role="alert"' in page
    assert "I agree" not in page


def test_orders_are_listed_and_downloaded(
    as_alice: Client, organization: Organization
) -> None:
    order(as_alice, way="manual")
    topup = TopUp.objects.get()
    assert topup.public_id in as_alice.get(BUY).content.decode()
    answer = as_alice.get(f"{BUY}?format=csv")
    assert topup.public_id in answer.getvalue().decode()


@pytest.mark.parametrize("kind", ["500", "cut", "done-then-cut"])
def test_a_provider_that_does_not_answer_leaves_a_pending_order(
    as_alice: Client, shop: Stripe, kind: str
) -> None:
    shop.sandbox.faults.plan(kind, "checkout", count=2)
    answer = order(as_alice)
    topup = TopUp.objects.get()
    assert answer["Location"] == f"{BUY}{topup.id}"
    assert "has not answered yet" in as_alice.get(answer["Location"]).content.decode()
    as_alice.post(f"{BUY}{topup.id}/ask")
    assert "Continue to payment" in as_alice.get(answer["Location"]).content.decode()
    # Whatever was done at first, there is one session, of one key.
    assert len(shop.v1.checkout.sessions.list().data) == 1
