"""The call that buys credits: once for each key, and bad input changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from billing.models import TopUp
from portal.models import AuditEvent, Organization, Role, User
from portal.tenants import organizations
from tests.support.cast import OPERATOR, make_member

pytestmark = pytest.mark.once

URL = "/o/acme/billing/top-ups.json"
ORDER = {"credits": 1000, "provider": "manual"}


@pytest.fixture
def browser(client: Client, alice: User, organization: Organization) -> Client:
    client.force_login(alice)
    return client


def buy(browser: Client, body: Any = None, key: str | None = "k") -> tuple[int, Any]:
    text = (
        body if isinstance(body, str) else json.dumps(ORDER if body is None else body)
    )
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = browser.post(URL, text, content_type="application/json", headers=headers)
    found = answer.json() if "json" in answer.headers["Content-Type"] else {}
    return answer.status_code, found


def refused(browser: Client, status: int, code: str, *asked: Any) -> None:
    found, told = buy(browser, *asked)
    assert (found, told["error"]["code"]) == (status, code), told
    assert not TopUp.objects.exists()
    assert not AuditEvent.objects.filter(action="topup.start").exists()


def test_the_same_key_is_the_same_top_up(browser: Client) -> None:
    first, again = buy(browser), buy(browser)
    assert (first[0], again[0]) == (201, 200)
    assert first[1] == again[1]
    assert first[1]["price_minor"] == 1000
    [topup] = TopUp.objects.all()
    assert first[1]["id"] == topup.public_id
    assert AuditEvent.objects.filter(action="topup.start").count() == 1


def test_the_same_key_for_another_order_is_a_conflict(browser: Client) -> None:
    buy(browser)
    status, told = buy(browser, ORDER | {"credits": 1001})
    assert (status, told["error"]["code"]) == (409, "idempotency_key_reused")
    assert TopUp.objects.count() == 1


@pytest.mark.parametrize("key", [None, "", "  "])
def test_no_key_is_no_order(browser: Client, key: str | None) -> None:
    refused(browser, 400, "idempotency_key_missing", None, key)


def test_a_key_that_is_too_long(browser: Client) -> None:
    refused(browser, 400, "idempotency_key_missing", None, "x" * 256)


def test_a_key_belongs_to_one_organization(
    browser: Client, mallory: User, organization: Organization
) -> None:
    buy(browser)
    other = Client()
    other.force_login(mallory)
    answer = other.post(
        "/o/elsewhere/billing/top-ups.json",
        json.dumps(ORDER),
        content_type="application/json",
        headers={"Idempotency-Key": "k"},
    )
    assert answer.status_code == 201
    assert TopUp.objects.count() == 2


@pytest.mark.parametrize("credits", [0, -1, 499, 1_000_001, 10**30, -(2**63)])
def test_amounts_that_are_not_sold(browser: Client, credits: int) -> None:
    refused(browser, 422, "invalid_top_up", ORDER | {"credits": credits})


@pytest.mark.parametrize("credits", [True, 1.5, 1000.0, "1000", None, [1000], {}])
def test_amounts_that_are_none(browser: Client, credits: Any) -> None:
    refused(browser, 400, "invalid_request", ORDER | {"credits": credits})


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"provider": "manual"}, 422, "invalid_top_up"),
        (ORDER | {"pack": "pack_1000_1000_usd"}, 422, "invalid_top_up"),
        ({"pack": "pack_1000_900_usd"}, 422, "unknown_pack"),
        ({"pack": "x" * 500}, 422, "unknown_pack"),
        (ORDER | {"currency": "eur"}, 422, "unknown_currency"),
        (ORDER | {"currency": "dogecoin"}, 422, "unknown_currency"),
        (ORDER | {"provider": "stripe"}, 422, "provider_not_available"),
        (ORDER | {"provider": "paypal"}, 422, "provider_not_available"),
        (ORDER | {"price": 1}, 400, "invalid_request"),
        (ORDER | {"name": "a\0b"}, 400, "invalid_request"),
        (ORDER | {"name": "x" * 201}, 422, "invalid_top_up"),
        (ORDER | {"save_method": 1}, 400, "invalid_request"),
        ("", 400, "invalid_request"),
        ("[]", 400, "invalid_request"),
        ("{", 400, "invalid_request"),
        ("[" * 10_000, 400, "invalid_request"),
        (json.dumps(ORDER | {"name": "x" * 20_000}), 400, "invalid_request"),
    ],
)
def test_bad_orders(browser: Client, body: Any, status: int, code: str) -> None:
    refused(browser, status, code, body)


def test_a_pack_is_sold_at_its_price(browser: Client) -> None:
    status, told = buy(browser, {"pack": "pack_5000_4800_usd", "provider": "manual"})
    assert status == 201
    assert (told["credits_micros"], told["price_minor"]) == (5_000_000_000, 4800)


def test_a_pack_that_vanished_while_the_page_was_open(
    browser: Client, settings: Settings
) -> None:
    settings.CREDIT_PACKS = ["5000=49"]
    refused(browser, 422, "unknown_pack", {"pack": "pack_5000_4800_usd"})


def test_orders_that_nobody_pays_are_bounded(browser: Client) -> None:
    for number in range(50):
        assert buy(browser, key=f"{number}")[0] == 201
    status, told = buy(browser, key="one more")
    assert (status, told["error"]["code"]) == (429, "too_many_pending")
    assert buy(browser, key="0")[0] == 200
    assert TopUp.objects.count() == 50


def test_a_suspended_organization_buys_nothing(
    browser: Client, organization: Organization
) -> None:
    organizations.suspend(organization, reason="unpaid", actor=OPERATOR)
    refused(browser, 403, "organization_suspended")


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.BILLING, 201), (Role.ADMIN, 404), (Role.DEVELOPER, 404), (Role.VIEWER, 404)],
)
def test_who_may_buy(
    client: Client, organization: Organization, role: Role, status: int
) -> None:
    client.force_login(make_member(organization, "new@example.com", role))
    assert buy(client)[0] == status
    assert TopUp.objects.exists() == (status == 201)


def test_a_page_of_somebody_else_cannot_buy(alice: User, organization: Any) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    assert buy(browser)[0] == 403
    assert not TopUp.objects.exists()
