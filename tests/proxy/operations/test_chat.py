"""A plain chat call: what is held, forwarded, charged and said, to the credit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from billing.models import Account
from billing.values.orders import CREDIT
from tests.proxy.conftest import Customers
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, chat_json, usage_of

# The tariff's row for every model without one of its own, in microcredits.
BASE, PROMPT_TOKEN, COMPLETION_TOKEN = CREDIT, 10_000, 30_000
TOKENS_PER_MESSAGE_MOST = 16


def bound_micros(content: bytes, *, completion_tokens: int = 2048) -> int:
    """The most that this body may cost: each byte a token, rounded up to a credit."""
    prompt_tokens = len(content) + TOKENS_PER_MESSAGE_MOST
    exact = BASE + prompt_tokens * PROMPT_TOKEN + completion_tokens * COMPLETION_TOKEN
    return -(-exact // CREDIT) * CREDIT


def test_the_sdk_gets_an_answer_and_pays_what_the_upstream_charged(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(credits=7, text="Ahoy"))
    raw = customer.openai(live_gateway).chat.completions.with_raw_response
    reply = raw.create(model="m", messages=SAY_HI)
    completion = reply.parse()

    [entry] = upstream.journal
    [hold], [record] = customer.holds(), customer.records()
    assert completion.choices[0].message.content == "Ahoy"
    assert completion.usage is not None
    assert completion.usage.model_extra == {"credits_used": 7}
    assert reply.headers["x-request-id"] == f"req_{hold.id.hex}"
    assert hold.amount_micros == bound_micros(entry.raw_body)
    assert reply.headers["x-credits-held"] == f"{hold.amount_micros // CREDIT}"
    assert reply.headers["x-credits-charged"] == f"{upstream.total_credits()}" == "7"
    assert reply.headers["x-credits-remaining"] == "99993"
    assert customer.available_micros() == 99_993 * CREDIT
    assert reply.headers["x-price-basis"] == record.basis == "upstream"
    assert (hold.state, record.charged_micros) == ("settled", 7 * CREDIT)
    assert record.upstream_id == completion.id
    assert (record.prompt_tokens, record.completion_tokens) == (9, 12)


@pytest.mark.parametrize(
    ("asked", "forwarded"),
    [
        ({}, 2048),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_tokens": 9, "max_completion_tokens": 8}, 8),
        ({"max_tokens": 8, "max_completion_tokens": 9}, 8),
        ({"max_tokens": None}, 2048),
        ({"max_tokens": 7.0}, 7),
    ],
)
def test_the_cap_that_is_held_is_the_cap_that_is_forwarded(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    asked: dict[str, Any],
    forwarded: int,
) -> None:
    assert customer.chat(live_gateway, **asked).status_code == 200

    [entry], [hold] = upstream.journal, customer.holds()
    assert entry.body["max_tokens"] == forwarded
    assert "max_completion_tokens" not in entry.body
    expected = bound_micros(entry.raw_body, completion_tokens=forwarded)
    assert hold.amount_micros == expected


def test_each_choice_asked_for_is_held(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    customer.chat(live_gateway, n=3, max_tokens=100)

    [entry], [hold] = upstream.journal, customer.holds()
    assert entry.body["n"] == 3
    assert hold.amount_micros == bound_micros(entry.raw_body, completion_tokens=300)


@pytest.mark.once
def test_bookkeeping_stays_here_and_meaning_goes_on(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    bookkeeping: dict[str, Any] = {
        "user": "u-1",
        "metadata": {"a": "b"},
        "store": True,
        "service_tier": "auto",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
    }
    meaning: dict[str, Any] = {
        "seed": 7,
        "stop": ["\n"],
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "response_format": {"type": "json_object"},
        "reasoning_effort": "low",
        "web_search": True,
        "logit_bias": {"50256": -100},
    }
    customer.chat(live_gateway, **bookkeeping, **meaning)

    [entry] = upstream.journal
    assert entry.body == {
        "model": "any",
        "messages": SAY_HI,
        "max_tokens": 2048,
        **meaning,
    }


@pytest.mark.once
def test_a_call_without_a_model_gets_the_contracts_default(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    customer.http(live_gateway).post("/chat/completions", json={"messages": SAY_HI})

    [entry], [record] = upstream.journal, customer.records()
    assert entry.model == record.model == "openai/gpt-4o-mini"


@pytest.mark.once
def test_what_the_upstream_adds_reaches_the_client(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    answer = chat_json(credits=3)
    upstream.on(model="m", reply=answer)

    assert customer.chat(live_gateway, "m").json() == json.loads(answer.body)


@pytest.mark.parametrize(
    ("factor_ppm", "credits", "breakdown"),
    [
        (1_500_000, 11, {"prompt": 3, "completion": 8}),
        (3_000_000, 21, {"prompt": 6, "completion": 15}),
        (500_000, 4, {"prompt": 1, "completion": 3}),
    ],
)
def test_a_price_factor_scales_all_that_the_customer_sees(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    factor_ppm: int,
    credits: int,
    breakdown: dict[str, int],
) -> None:
    account = Account.objects.filter(pk=customer.organization.account_id)
    account.update(price_factor_ppm=factor_ppm)
    usage = {**usage_of(7), "credits_breakdown": {"prompt": 2, "completion": 5}}
    upstream.on(model="m", reply=chat_json(credits=7, usage=usage))
    reply = customer.chat(live_gateway, "m")

    [entry], [hold], [record] = upstream.journal, customer.holds(), customer.records()
    assert hold.amount_micros == bound_micros(entry.raw_body) * factor_ppm // 1_000_000
    assert record.charged_micros * 1_000_000 == 7 * CREDIT * factor_ppm
    assert record.upstream_micros == 7 * CREDIT
    shown = reply.json()["usage"]
    assert shown["credits_used"] == credits == -(-record.charged_micros // CREDIT)
    assert shown["credits_breakdown"] == breakdown
    assert sum(breakdown.values()) == credits


def test_more_than_was_held_is_charged_from_what_is_there(
    live_gateway: Gateway, upstream: Upstream, customers: Customers, clean_ledger: None
) -> None:
    poor = customers(credits=70)
    upstream.on(model="m", reply=chat_json(credits=90))
    reply = poor.chat(live_gateway, "m", max_tokens=1500)

    [hold], [record] = poor.holds(), poor.records()
    assert hold.amount_micros < 70 * CREDIT
    assert reply.headers["x-credits-charged"] == "70"
    assert reply.headers["x-credits-remaining"] == "0"
    assert reply.json()["usage"]["credits_used"] == 70
    assert (record.charged_micros, record.absorbed_micros) == (70 * CREDIT, 20 * CREDIT)
    assert "hold_overrun" in record.flags
    account = poor.account()
    assert (account.balance_micros, account.held_micros) == (0, 0)
