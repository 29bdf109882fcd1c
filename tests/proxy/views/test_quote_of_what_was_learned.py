"""A quote knows what calls have cost beyond the tariff, as their holds do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.proxy.conftest import Customers
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, chat_json

BODY: dict[str, Any] = {"model": "m", "messages": SAY_HI}


def quote(gateway: Gateway, customer: Customer, **fields: Any) -> dict[str, Any]:
    body = {"operation": "chat.completions", "request": {**BODY, **fields}}
    document: dict[str, Any] = customer.http(gateway).post("/quote", json=body).json()
    return document


def teach(
    gateway: Gateway, upstream: Upstream, teacher: Customer, credits: int
) -> None:
    """Calls of model m for 1,000 tokens, for which 32 are held, cost so much."""
    upstream.on(model="m", reply=chat_json(credits=credits))
    teacher.chat(gateway, "m", max_tokens=1000).raise_for_status()


@pytest.mark.parametrize("factor_ppm", [1_000_000, 1_200_000, 333_333])
@pytest.mark.parametrize("credits", [33, 90])
def test_the_quote_is_the_hold(
    live_gateway: Gateway,
    upstream: Upstream,
    customers: Customers,
    credits: int,
    factor_ppm: int,
) -> None:
    customer = customers()
    customer.set_price_factor(factor_ppm)
    teach(live_gateway, upstream, customers(), credits)
    for fields in ({"max_tokens": 1000}, {"max_tokens": 7}, {"web_search": True}, {}):
        quoted = quote(live_gateway, customer, **fields)["hold"]
        reply = customer.chat(live_gateway, "m", **fields)
        assert reply.headers["x-credits-held"] == quoted


@pytest.mark.parametrize("credits", [33, 90])
def test_the_largest_cap_passes_and_one_more_token_does_not(
    live_gateway: Gateway, upstream: Upstream, customers: Customers, credits: int
) -> None:
    teach(live_gateway, upstream, customers(), credits)
    upstream.on(model="m", reply=chat_json(credits=1))
    customer = customers(credits=200)
    most = quote(live_gateway, customer)["max_tokens"]
    refused = customer.chat(live_gateway, "m", max_tokens=most + 1)
    assert_refusal(refused, 402, "insufficient_credits")
    assert customer.chat(live_gateway, "m", max_tokens=most).status_code == 200
