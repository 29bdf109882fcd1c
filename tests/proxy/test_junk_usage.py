"""The upstream's usage is read with suspicion: what junk in it comes to."""

from __future__ import annotations

from typing import Any

import pytest

from billing.values.orders import CREDIT
from tests.proxy.conftest import Customers
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    DONE,
    Raw,
    ScriptedReply,
    Upstream,
    chat_chunk,
    chat_json,
    chat_stream,
    stream_reply,
    usage_of,
)
from tests.support.upstream.builders import encode

# 9 prompt and 12 completion tokens at the tariff: 1 + 0.09 + 0.36 credits, rounded up.
COMPUTED = 2
TEXT = "x" * 400  # 100 tokens, as we count: 1 + 0.4 or so + 3 credits, rounded up
ESTIMATED = 5

JUNK_CREDITS: tuple[Any, ...] = (
    *(-1, -(10**30), 1.5, 3.0, "3", "", True, False, [3], {"a": 3}),
    *(10**9, 2**63, 2**64, 10**30, Raw(b"1e5"), Raw(b"-0.0")),
)


def both(usage: Any, **fields: Any) -> tuple[ScriptedReply, ScriptedReply]:
    """One usage in a plain answer and in a stream, which must come to the same."""
    return (
        chat_json(text=TEXT, usage=usage, **fields),
        chat_stream(pieces=[TEXT[:300], TEXT[300:]], usage=usage, **fields),
    )


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_junk_credits_are_no_credits_and_the_tokens_are_priced(
    impatient_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    stream: bool,
    clean_ledger: None,
) -> None:
    for junk in JUNK_CREDITS:
        upstream.on(model="m", reply=both(usage_of(junk))[stream])
        assert customer.chat(impatient_gateway, "m", stream=stream).status_code == 200
    records = customer.wait_records(len(JUNK_CREDITS))

    for junk, record in zip(JUNK_CREDITS, records, strict=True):
        charged = (record.basis, record.charged_micros, record.flags)
        assert charged == ("computed", COMPUTED * CREDIT, "usage_invalid"), junk


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    "usage",
    [
        *(None, {}, [], "none", 7),
        {"credits_used": None},
        {"prompt_tokens": 5},
        {"prompt_tokens": -5, "completion_tokens": 5},
        {"prompt_tokens": 5, "completion_tokens": 10**12},
        {"prompt_tokens": True, "completion_tokens": "5"},
        {"input_tokens": 5, "output_tokens": 5},
    ],
    ids=repr,
)
def test_an_answer_without_usage_is_estimated_by_what_was_delivered(
    impatient_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    stream: bool,
    usage: Any,
) -> None:
    upstream.on(model="m", reply=both(usage)[stream])
    reply = customer.chat(impatient_gateway, "m", stream=stream)

    assert reply.status_code == 200
    [hold], [record] = customer.holds(), customer.records()
    assert (record.basis, record.charged_micros) == ("estimated", ESTIMATED * CREDIT)
    assert record.charged_micros <= hold.amount_micros
    assert hold.state == "settled"


@pytest.mark.once
@pytest.mark.parametrize("usage", [None, {}, "none"], ids=repr)
def test_tokens_that_nobody_reported_are_named_as_they_were_charged(
    impatient_gateway: Gateway, upstream: Upstream, customer: Customer, usage: Any
) -> None:
    upstream.on(model="m", reply=both(usage)[0])
    told = customer.chat(impatient_gateway, "m").json()["usage"]

    [record] = customer.records()
    assert told == {
        "prompt_tokens": record.prompt_tokens,
        "completion_tokens": 100,
        "total_tokens": record.prompt_tokens + 100,
        "credits_used": ESTIMATED,
    }


@pytest.mark.once
@pytest.mark.parametrize("kind", ["plain", "own_chunk", "last_choice"])
@pytest.mark.parametrize(
    ("usage", "completion"),
    [
        ({"credits_used": 3}, 100),
        ({"credits_used": 3, "prompt_tokens": None, "completion_tokens": "5"}, 100),
        ({"credits_used": 3, "prompt_tokens": 5, "completion_tokens": 7}, 7),
        ({}, 100),
    ],
    ids=repr,
)
def test_what_the_sdks_types_promise_of_usage_is_there(
    impatient_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    usage: dict[str, Any],
    completion: int,
    kind: Any,
) -> None:
    reply = chat_json(text=TEXT, usage=usage)
    if kind != "plain":
        reply = chat_stream(pieces=[TEXT], usage=usage, usage_position=kind)
    upstream.on(model="m", reply=reply)
    completions = customer.openai(impatient_gateway).chat.completions
    if kind == "plain":
        told = completions.create(model="m", messages=SAY_HI).usage
    else:
        options: Any = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = completions.create(model="m", messages=SAY_HI, **options)
        told = [chunk.usage for chunk in chunks if chunk.usage][-1]

    assert told is not None
    assert told.completion_tokens == completion
    assert told.total_tokens == told.prompt_tokens + completion


@pytest.mark.once
def test_an_estimate_never_exceeds_the_hold(
    impatient_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(text="x" * 90_000, usage=None))
    customer.chat(impatient_gateway, "m", max_tokens=1)

    [hold], [record] = customer.holds(), customer.records()
    assert record.charged_micros == hold.amount_micros
    assert record.absorbed_micros == 0


@pytest.mark.once
def test_an_explicit_zero_is_a_price(
    impatient_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    for stream in (False, True):
        upstream.on(model="m", reply=both(usage_of(0), credits=0)[stream])
        customer.chat(impatient_gateway, "m", stream=stream)

    records = customer.wait_records(2)
    assert {(row.basis, row.charged_micros) for row in records} == {("upstream", 0)}


def test_absurd_credits_do_not_break_a_stream_at_another_price(
    impatient_gateway: Gateway, upstream: Upstream, customers: Customers
) -> None:
    customer = customers()
    customer.set_price_factor(3_000_000)
    events = [chat_chunk(TEXT, usage=usage_of(2**64 - 1)), DONE]
    upstream.on(model="m", reply=stream_reply(events))
    content = customer.chat(impatient_gateway, "m", stream=True).content

    assert content.endswith(DONE)
    assert b"credits_used" not in content
    [record] = customer.wait_records()
    assert record.charged_micros == 3 * COMPUTED * CREDIT


@pytest.mark.parametrize(
    "breakdown",
    [None, [], {"a": 1}, {"a": 3, "b": "x", "\x00": 1, "c" * 65: 1}, {"": 3}, "text"],
    ids=repr,
)
def test_an_odd_breakdown_does_not_change_the_charge(
    impatient_gateway: Gateway, upstream: Upstream, customer: Customer, breakdown: Any
) -> None:
    usage = {**usage_of(3), "credits_breakdown": breakdown}
    upstream.on(model="m", reply=chat_json(usage=usage))
    assert customer.chat(impatient_gateway, "m").status_code == 200

    [record] = customer.records()
    assert (record.basis, record.charged_micros) == ("upstream", 3 * CREDIT)
    assert ("breakdown_mismatch" in record.flags) == (breakdown == {"a": 1})


def test_ids_that_a_database_cannot_keep_do_not_lose_the_charge(
    impatient_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    ids: list[Any] = ["a\x00b", "\n" * 500, "x" * 500, "", None, 7, "ü" * 200]
    for id_ in ids:
        body = {"id": id_, "choices": [], "usage": usage_of(2)}
        upstream.on(model="m", reply=chat_json().but(steps=(encode(body),)))
        assert customer.chat(impatient_gateway, "m").status_code == 200

    kept = [record.upstream_id for record in customer.wait_records(len(ids))]
    assert kept[:3] == ["ab", "", "x" * 128]
    assert kept[3] == ""
    assert customer.charged_credits() == 2 * len(ids)
