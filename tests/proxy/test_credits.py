"""Not enough credits: said in numbers, and retried only where waiting helps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from billing.values.orders import CREDIT
from tests.proxy.conftest import Customers
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, chat_json
from tests.support.waiting import wait_for

MAX_TOKENS = 1_000
NEEDED = 32  # what a call for so many tokens holds, prompt and all


def ask(gateway: Gateway, customer: Customer, model: str = "m") -> int:
    reply = customer.chat(gateway, model, max_tokens=MAX_TOKENS)
    return reply.status_code


def test_a_shortfall_is_said_in_numbers_and_not_tried_again(
    live_gateway: Gateway, upstream: Upstream, customers: Customers
) -> None:
    poor = customers(credits=NEEDED - 1)
    sdk = poor.openai(live_gateway, max_retries=2)
    with pytest.raises(openai.APIStatusError) as refused:
        sdk.chat.completions.create(
            model="m", messages=SAY_HI, max_completion_tokens=MAX_TOKENS
        )

    error = refused.value
    assert (error.status_code, error.code) == (402, "insufficient_credits")
    assert error.response.request.headers["x-stainless-retry-count"] == "0"
    assert error.response.headers["x-should-retry"] == "false"
    assert "402: this request needs up to 32 credits; 31 are available (0" in str(error)
    assert f"/o/{poor.organization.slug}/" in str(error)
    assert isinstance(error.body, dict)
    assert error.body["type"] == "insufficient_quota"
    page = error.body["metadata"].pop("url")
    assert page.endswith(f"/o/{poor.organization.slug}/")
    assert error.body["metadata"] == {
        "required_credits": "32",
        "available_credits": "31",
        "held_credits": "0",
        "limit_source": "organization",
    }
    assert_nothing_happened(poor, upstream)


def test_no_credits_at_all_is_the_same_refusal(
    live_gateway: Gateway, upstream: Upstream, customers: Customers
) -> None:
    empty = customers(credits=0)
    reply = empty.chat(live_gateway, stream=True)

    assert_refusal(reply, 402, "insufficient_credits")
    assert_nothing_happened(empty, upstream)


def test_credits_on_hold_are_waited_for_by_the_sdk_itself(
    live_gateway: Gateway, upstream: Upstream, customers: Customers
) -> None:
    customer, gate = customers(credits=NEEDED + 5), Gate()
    upstream.on(model="slow", reply=chat_json(credits=3).held(gate))
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(ask, live_gateway, customer, "slow")
        upstream.journal.wait_arrived()
        refused = customer.chat(live_gateway, "m", max_tokens=MAX_TOKENS)
        sdk = customer.openai(live_gateway, max_retries=20)
        sdk._client.event_hooks["response"].append(lambda _refused: gate.set())
        raw = sdk.chat.completions.with_raw_response.create(
            model="m", messages=SAY_HI, max_completion_tokens=MAX_TOKENS
        )
        assert slow.result() == 200

    assert_refusal(refused, 429, "credits_on_hold")
    assert refused.headers["retry-after"] == "2"
    assert "x-should-retry" not in refused.headers
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert refused.json()["error"]["metadata"]["held_credits"] == "32"
    assert refused.json()["error"]["metadata"]["available_credits"] == "5"
    assert raw.retries_taken >= 1
    assert customer.charged_credits() == upstream.total_credits() == 6


def test_a_race_for_the_last_credits_admits_exactly_what_they_cover(
    live_gateway: Gateway, upstream: Upstream, customers: Customers, clean_ledger: None
) -> None:
    customer, gate = customers(credits=5 * NEEDED + 31), Gate()
    upstream.on(model="m", reply=chat_json(credits=2).held(gate))
    customer.http(live_gateway)  # made once, not by every thread
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(ask, live_gateway, customer) for _ in range(20)]
        upstream.journal.wait_arrived(5)
        wait_for(lambda: sum(call.done() for call in calls) == 15)
        assert customer.available_micros() == 31 * CREDIT
        gate.set()
        statuses = sorted(call.result() for call in calls)

    assert statuses == [200] * 5 + [429] * 15
    assert customer.charged_credits() == upstream.total_credits() == 10
