"""`POST /v1/quote`: what a call would hold and whether it passes; nothing is taken."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from billing.models import Account
from billing.pricing.rates import Rates, rates_for
from billing.values.orders import CREDIT
from portal.tenants import organizations
from proxy.calls import exchange
from proxy.calls.call import Incoming
from proxy.http.errors import GatewayError
from proxy.operations import OPERATIONS
from proxy.process.caches import tariff
from tests.proxy.conftest import Customers
from tests.support.cast import OPERATOR
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream

CHAT = "chat.completions"
TOKENS_MOST = 131_072  # of the tariff's row for every model


def ask(
    gateway: Gateway, customer: Customer, operation: Any = CHAT, **request: Any
) -> httpx.Response:
    body = {"operation": operation, "request": request}
    return customer.http(gateway).post("/quote", json=body)


def quote(
    gateway: Gateway, customer: Customer, operation: str = CHAT, **request: Any
) -> dict[str, Any]:
    reply = ask(gateway, customer, operation, **request).raise_for_status()
    assert reply.headers["cache-control"] == "no-store"
    document: dict[str, Any] = reply.json()
    return document


def test_a_quote_says_what_is_held_and_takes_nothing(
    live_gateway: Gateway, upstream: Upstream, customers: Customers
) -> None:
    customer = customers(credits=100)
    found = quote(live_gateway, customer, model="m", messages=SAY_HI, max_tokens=1000)

    assert_nothing_happened(customer, upstream)
    assert found.pop("max_tokens") > 1000
    assert found == {
        "object": "quote",
        "operation": CHAT,
        "model": "m",
        "hold": "32",
        "hold_micros": 32 * CREDIT,
        "passes": True,
        "balance": "100",
        "balance_micros": 100 * CREDIT,
        "held": "0",
        "held_micros": 0,
        "available": "100",
        "available_micros": 100 * CREDIT,
        "checks": [
            {"name": "organization", "passes": True},
            {"name": "key", "passes": True, "expires_at": None},
            {
                "name": "credits",
                "passes": True,
                "required": "32",
                "required_micros": 32 * CREDIT,
                "available": "100",
                "available_micros": 100 * CREDIT,
                "held": "0",
                "held_micros": 0,
            },
        ],
        "binds": {
            "type": "credits",
            "level": "organization",
            "name": customer.organization.slug,
            "window": None,
            "held": "0",
            "held_micros": 0,
            "left": "100",
            "left_micros": 100 * CREDIT,
            "resets_at": None,
        },
        "suggestion": None,
    }


@pytest.mark.parametrize("choices", [1, 3])
@pytest.mark.parametrize("credits", [3, 31, 35, 61, 305, 3_005])
def test_the_largest_cap_passes_and_one_more_token_does_not(
    live_gateway: Gateway,
    upstream: Upstream,
    customers: Customers,
    credits: int,
    choices: int,
) -> None:
    customer = customers(credits=credits)
    body: dict[str, Any] = {"model": "m", "messages": SAY_HI, "n": choices}
    most = quote(live_gateway, customer, **body)["max_tokens"]

    assert 1 <= most < TOKENS_MOST
    refused = customer.chat(live_gateway, **body, max_tokens=most + 1)
    assert_refusal(refused, 402, "insufficient_credits")
    assert customer.chat(live_gateway, **body, max_tokens=most).status_code == 200
    [hold] = customer.holds()
    assert hold.amount_micros <= credits * CREDIT


def test_the_cap_of_the_model_is_the_most(
    live_gateway: Gateway, customer: Customer
) -> None:
    found = quote(live_gateway, customer, messages=SAY_HI, max_completion_tokens=5)

    assert found["max_tokens"] == TOKENS_MOST


def test_too_dear_a_call_is_told_what_would_pass(
    live_gateway: Gateway, upstream: Upstream, customers: Customers
) -> None:
    customer = customers(credits=31)
    dear: dict[str, Any] = {
        "model": "m",
        "messages": SAY_HI,
        "max_completion_tokens": 2000,
    }
    found = quote(live_gateway, customer, **dear)
    most, page = found["max_tokens"], f"/o/{customer.organization.slug}/"

    assert found["passes"] is False
    assert [check["passes"] for check in found["checks"]] == [True, True, False]
    assert found["suggestion"].startswith(f"Lower max_tokens to at most {most}, or ")
    assert page in found["suggestion"]
    lower = quote(live_gateway, customer, **{**dear, "max_completion_tokens": most})
    assert (lower["passes"], lower["suggestion"]) == (True, None)
    assert_nothing_happened(customer, upstream)


def test_without_credits_no_cap_helps(
    live_gateway: Gateway, customers: Customers
) -> None:
    empty = customers(credits=0)
    chat = quote(live_gateway, empty, messages=SAY_HI)
    embeddings = quote(live_gateway, empty, "embeddings", input="Ahoy")

    assert (chat["passes"], chat["max_tokens"]) == (False, 0)
    assert (embeddings["passes"], embeddings["max_tokens"]) == (False, None)
    for found in (chat, embeddings):
        assert found["suggestion"].startswith("Add credits: http")


def test_a_suspended_organization_learns_that_nothing_passes(
    live_gateway: Gateway, customer: Customer
) -> None:
    organizations.suspend(customer.organization, reason="unpaid", actor=OPERATOR)
    found = quote(live_gateway, customer, messages=SAY_HI)

    assert found["passes"] is False
    assert found["checks"][0] == {"name": "organization", "passes": False}
    assert "suspended" in found["suggestion"]


@pytest.mark.once
def test_the_operation_is_found_by_any_of_its_names(
    live_gateway: Gateway, customer: Customer
) -> None:
    http = customer.http(live_gateway)
    body: dict[str, Any] = {"model": "m", "messages": SAY_HI}
    expected = quote(live_gateway, customer, **body)
    for name in ("chat/completions", "/chat/completions", "/v1/chat/completions"):
        assert quote(live_gateway, customer, name, **body) == expected
        for document in (body, {"request": body}):
            reply = http.post("/quote", params={"operation": name}, json=document)
            assert reply.json() == expected


@pytest.mark.once
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.route)
def test_every_operation_refuses_a_quote_as_it_refuses_the_call(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, operation: Any
) -> None:
    http = customer.http(live_gateway)
    for body in ({}, {"model": 7}, {"model": "x" * 300}):
        call = http.post(f"/{operation.route}", json=body)
        quoted = ask(live_gateway, customer, operation.route, **body)
        assert call.status_code == quoted.status_code == 400
        assert call.json() == quoted.json()
    assert_nothing_happened(customer, upstream)


@pytest.mark.once
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content"),
        ({"messages": SAY_HI, "n": 0}, "n"),
        ({"messages": SAY_HI, "max_tokens": TOKENS_MOST + 1}, "max_tokens"),
        ({"messages": SAY_HI, "model": "a\nb"}, "model"),
    ],
)
def test_a_bad_call_is_refused_with_the_calls_own_param(
    live_gateway: Gateway, customer: Customer, body: dict[str, Any], param: str
) -> None:
    quoted = ask(live_gateway, customer, **body)

    assert_refusal(quoted, 400, "invalid_request")
    assert quoted.json()["error"]["param"] == param
    call = customer.http(live_gateway).post("/chat/completions", json=body)
    assert quoted.json() == call.json()


@pytest.mark.once
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "operation"),
        ({"operation": "chat", "request": {}}, "operation"),
        ({"operation": ["chat.completions"]}, "operation"),
        ({"operation": CHAT, "request": "text"}, "request"),
        ({"operation": CHAT, "request": None}, "request"),
        ({"operation": CHAT, "messages": SAY_HI}, "messages"),
    ],
)
def test_a_bad_question_is_refused_with_its_own_param(
    live_gateway: Gateway, customer: Customer, body: dict[str, Any], param: str
) -> None:
    reply = customer.http(live_gateway).post("/quote", json=body)

    assert_refusal(reply, 400, "invalid_request")
    assert reply.json()["error"]["param"] == param


@pytest.mark.asyncio
async def test_a_model_without_a_price_is_not_found_by_call_and_quote_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def rates(operation: str, model: str) -> Rates:
        return rates_for((), operation, model)

    monkeypatch.setattr(tariff, "rates", rates)
    operation = next(each for each in OPERATIONS if each.name == CHAT)
    call = operation.read(Incoming({"model": "m", "messages": SAY_HI}))
    with pytest.raises(GatewayError) as refused:
        await exchange.rates_for(call)  # all that either knows of prices

    error = refused.value
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")


def test_the_price_factor_is_in_the_quote(
    live_gateway: Gateway, customers: Customers
) -> None:
    customer = customers(credits=100)
    account = Account.objects.filter(pk=customer.organization.account_id)
    account.update(price_factor_ppm=1_500_001)
    found = quote(live_gateway, customer, model="m", messages=SAY_HI, max_tokens=1000)

    assert (found["hold"], found["passes"]) == ("48.000032", True)
