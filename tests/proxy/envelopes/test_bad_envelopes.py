"""What makes no sense as a run: a clear error, and nothing half-written."""

from __future__ import annotations

from typing import Any

import pytest

from billing.models import Envelope
from portal.models import ApiKey
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.gateway.runs import ask, opened
from tests.support.services.gateway import Gateway

GOOD: dict[str, Any] = {"credits": 10, "expires_in_seconds": 600}
AMOUNTS = (
    *("0", "-1", "0.0000001", "1.0000001", "1000000001", "1e300", "1e999"),
    *("true", '"5"', "null", "NaN", "[]", "{}", "-0", "Infinity"),
)


@pytest.mark.parametrize("amount", AMOUNTS)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_amount_is_a_number_of_credits(
    live_gateway: Gateway, customer: Customer, method: str, amount: str
) -> None:
    run = opened(customer, live_gateway, 1) if method == "PATCH" else None
    more = "" if run else ', "expires_in_seconds": 60'
    reply = ask(
        customer,
        live_gateway,
        method,
        f"/{run['id']}" if run else "",
        content=f'{{"credits": {amount}{more}}}',
    )
    assert_refusal(reply, 400, "invalid_request")
    assert customer.held_credits() == (1 if run else 0)


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"expires_in_seconds": 0}, "expires_in_seconds"),
        ({"expires_in_seconds": -5}, "expires_in_seconds"),
        ({"expires_in_seconds": 1.5}, "expires_in_seconds"),
        ({"expires_in_seconds": True}, "expires_in_seconds"),
        ({"expires_in_seconds": "60"}, "expires_in_seconds"),
        ({"expires_in_seconds": 10**9}, "expires_in_seconds"),
        ({"expires_in_seconds": None}, "expires_in_seconds"),
        ({"label": 5}, "label"),
        ({"label": "x" * 101}, "label"),
        ({"label": "a\nb"}, "label"),
        ({"label": " "}, "label"),
        ({"models": "m"}, "models"),
        ({"models": []}, "models"),
        ({"models": [""]}, "models"),
        ({"models": ["a b"]}, "models"),
        ({"models": ["a,b"]}, "models"),
        ({"models": [5]}, "models"),
        ({"models": ["x" * 190] * 6}, "models"),
        ({"credit": 5}, "credit"),
    ],
)
def test_every_field_is_checked(
    live_gateway: Gateway, customer: Customer, wrong: dict[str, Any], param: str
) -> None:
    reply = ask(customer, live_gateway, json={**GOOD, **wrong})
    assert_refusal(reply, 400, "invalid_request")
    assert reply.json()["error"]["param"] == param
    assert not Envelope.objects.filter(account_id=customer.account_id).exists()
    assert ApiKey.objects.filter(organization=customer.organization).count() == 1


def test_a_run_larger_than_there_is_is_refused_whole(
    live_gateway: Gateway, customer: Customer
) -> None:
    reply = ask(customer, live_gateway, json={**GOOD, "credits": 100_001})
    assert_refusal(reply, 402, "insufficient_credits")
    assert customer.held_credits() == 0
    assert ApiKey.objects.filter(organization=customer.organization).count() == 1


@pytest.mark.parametrize("wrong", ["env_", "env_0", "x", f"env_{'0' * 32}", "env_%00"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_what_is_no_run_of_the_key_is_not_there(
    live_gateway: Gateway, customer: Customer, method: str, wrong: str
) -> None:
    body = {"credits": 1} if method == "PATCH" else None
    reply = ask(customer, live_gateway, method, f"/{wrong}", json=body)
    assert_refusal(reply, 404, "envelope_not_found")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "limit=-1", "limit=1.5", "limit="]
)
def test_a_page_has_a_sensible_length(
    live_gateway: Gateway, customer: Customer, query: str
) -> None:
    reply = ask(customer, live_gateway, "GET", f"?{query}")
    assert_refusal(reply, 400, "invalid_request")


def test_the_list_goes_on_after_what_is_in_it(
    live_gateway: Gateway, customer: Customer
) -> None:
    run = opened(customer, live_gateway, 1)
    _, other = customer.new_key(name="phone")
    for after, secret in ((f"env_{'0' * 32}", None), (run["id"], other), ("x", None)):
        params = {"after": after}
        reply = ask(customer, live_gateway, "GET", params=params, secret=secret)
        assert_refusal(reply, 404, "envelope_not_found")


def test_methods(live_gateway: Gateway, customer: Customer) -> None:
    assert_refusal(ask(customer, live_gateway, "PUT"), 405, "method_not_allowed")
    reply = ask(customer, live_gateway, "POST", f"/env_{'0' * 32}", json=GOOD)
    assert_refusal(reply, 405, "method_not_allowed")
