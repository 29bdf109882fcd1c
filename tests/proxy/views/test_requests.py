"""`GET /v1/requests/{id}`: who lost the answer learns what became of the call."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from billing.models import Account
from billing.values.orders import CREDIT
from tests.proxy.conftest import Customers
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, chat_json, error_json, html


def ask(gateway: Gateway, customer: Customer, request_id: str) -> httpx.Response:
    return customer.http(gateway).get(f"/requests/{request_id}")


def request_of(gateway: Gateway, customer: Customer, request_id: str) -> dict[str, Any]:
    reply = ask(gateway, customer, request_id).raise_for_status()
    assert reply.headers["cache-control"] == "no-store"
    document: dict[str, Any] = reply.json()
    return document


def test_a_settled_call_says_what_it_cost(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(credits=7))
    reply = customer.chat(live_gateway, "m")
    request_id = reply.headers["x-request-id"]
    found = request_of(live_gateway, customer, request_id)

    [hold] = customer.holds()
    assert hold.changed_at is not None
    assert found == {
        "object": "request",
        "id": request_id,
        "operation": "chat.completions",
        "model": "m",
        "state": "settled",
        "created_at": int(hold.placed_at.timestamp()),
        "ended_at": int(hold.changed_at.timestamp()),
        "key": "laptop",
        "project": "Default",
        "holder": customer.owner.email,
        "client": f"httpx {httpx.__version__}",
        "session": None,
        "held": reply.headers["x-credits-held"],
        "held_micros": hold.amount_micros,
        "charged": reply.headers["x-credits-charged"],
        "charged_micros": upstream.total_credits() * CREDIT,
        "price": "7",
        "price_micros": 7 * CREDIT,
        "basis": "upstream",
        "flags": [],
        "prompt_tokens": 9,
        "completion_tokens": 12,
        "reason": None,
    }


def test_a_client_that_lost_the_answer_finds_its_call_running_and_then_paid(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    gate = Gate()
    upstream.on(model="slow", reply=chat_json(credits=5).held(gate))
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(customer.chat, live_gateway, "slow")
        upstream.journal.wait_until(lambda entries: len(entries) == 1)
        [hold] = customer.holds()
        running = request_of(live_gateway, customer, f"req_{hold.id.hex}")
        gate.set()
        request_id = slow.result().headers["x-request-id"]
    over = request_of(live_gateway, customer, request_id)

    assert (running["state"], running["charged"], running["price"]) == (
        "open",
        None,
        None,
    )
    assert (running["basis"], running["ended_at"]) == (None, None)
    assert running["held_micros"] == hold.amount_micros
    assert running["id"] == over["id"]
    assert (over["state"], over["charged"]) == ("settled", "5")


@pytest.mark.parametrize(
    ("fault", "state", "charged", "reason"),
    [
        (error_json(400), "released", "0", "upstream_400"),
        (html(), "in_doubt", None, "upstream_"),
    ],
)
def test_a_call_that_failed_says_how(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    fault: Any,
    state: str,
    charged: str | None,
    reason: str,
) -> None:
    upstream.on(model="m", reply=fault)
    reply = customer.chat(live_gateway, "m")
    found = request_of(live_gateway, customer, reply.headers["x-request-id"])

    assert reply.status_code >= 400
    assert (found["state"], found["charged"]) == (state, charged)
    assert found["reason"].startswith(reason)


def test_the_price_is_the_organizations_and_tells_nothing_of_the_upstreams(
    live_gateway: Gateway, upstream: Upstream, customers: Customers
) -> None:
    customer = customers(credits=150)
    account = Account.objects.filter(pk=customer.organization.account_id)
    account.update(price_factor_ppm=1_500_000)
    upstream.on(model="m", reply=chat_json(credits=111))
    reply = customer.chat(live_gateway, "m", max_tokens=100)
    found = request_of(live_gateway, customer, reply.headers["x-request-id"])

    assert (found["price"], found["charged"]) == ("166.5", "150")
    assert found["flags"] == ["hold_overrun"]
    # As a word: a random name may have these digits in it.
    shown = str({**found, "id": "", "created_at": "", "ended_at": ""})
    assert not re.search(r"\b111(0{6})?\b", shown)


def test_the_organizations_other_keys_may_look_and_strangers_learn_nothing(
    live_gateway: Gateway, customers: Customers
) -> None:
    customer, stranger = customers(), customers()
    real = customer.chat(live_gateway).headers["x-request-id"]
    seen = request_of(live_gateway, customer, real)
    _, customer_key = customer.new_key(name="phone")
    reply = customer.http(live_gateway).get(
        f"/requests/{real}", headers={"authorization": f"Bearer {customer_key}"}
    )

    assert reply.json() == seen
    refusals = [
        ask(live_gateway, stranger, request_id)
        for request_id in (
            real,
            f"req_{'0' * 32}",
            real.removeprefix("req_"),
            real.upper(),
            f"{real}0",
            f"{real}/",
            f"{real}%00",
            "req_" + "é" * 32,
            "req_" + "٣" * 32,
            "%27 OR 1=1",
        )
    ]
    for refused in refusals:
        assert_refusal(refused, 404, "request_not_found")
    assert len({refused.content for refused in refusals}) == 1


@pytest.mark.once
def test_a_call_that_was_refused_before_it_began_is_none(
    live_gateway: Gateway, customer: Customer
) -> None:
    refused = customer.chat(live_gateway, n=0)
    reply = ask(live_gateway, customer, refused.headers["x-request-id"])

    assert_refusal(reply, 404, "request_not_found")
