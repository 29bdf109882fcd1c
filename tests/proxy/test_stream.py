"""A streamed chat: the upstream's own bytes, paid for before the last one leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from billing.models import UsageRecord
from billing.values.orders import CREDIT
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    DONE,
    Gate,
    Upstream,
    chat_chunk,
    chat_stream,
    sse,
    stream_reply,
    usage_of,
)

ASKED: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def events_of(content: bytes) -> list[bytes]:
    return [part + b"\n\n" for part in content.split(b"\n\n")[:-1]]


def test_the_sdk_reads_a_stream(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_stream(pieces=["Ahoy", ", you"], credits=5))
    stream = customer.openai(live_gateway).chat.completions.create(
        model="m",
        messages=SAY_HI,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)

    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "Ahoy, you"
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.model_extra == {"credits_used": 5}
    assert customer.charged_credits() == upstream.total_credits() == 5


@pytest.mark.once
def test_events_are_handed_on_byte_for_byte(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    events = [
        chat_chunk("Grüße", newline=b"\r\n"),
        sse(b'{"choices":[],\n "extra": 1.50e1}'),
        b': said\nevent: ping\nid: 7\ndata: {"a":  "spaces kept"}\n\n',
        b"data: not JSON at all\n\n",
        chat_chunk(finish_reason="stop", usage=usage_of(2)),
    ]
    upstream.on(model="m", reply=stream_reply([*events, DONE], credits=2))
    reply = customer.chat(live_gateway, "m", stream=True)

    assert reply.headers["content-type"].startswith("text/event-stream")
    handed_on, _, goodbye = reply.content.partition(b": x-request-id=")
    assert handed_on == b"".join(events)
    assert goodbye.endswith(b"\n" + DONE)


@pytest.mark.parametrize("position", ["own_chunk", "last_choice"])
@pytest.mark.parametrize("asks", [True, False])
def test_a_usage_chunk_comes_only_when_asked_for(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    position: Any,
    asks: bool,
) -> None:
    reply = chat_stream(credits=4, usage_position=position)
    upstream.on(model="m", reply=reply)
    options = ASKED if asks else {"stream": True}
    content = customer.chat(live_gateway, "m", **options).content

    [entry] = upstream.journal
    assert entry.body["stream_options"] == {"include_usage": True}
    assert (b'"choices":[]' in content) == (asks and position == "own_chunk")
    [record] = customer.wait_records()
    assert (record.basis, record.charged_micros) == ("upstream", 4 * CREDIT)
    assert record.streamed


def test_a_comment_says_the_price_and_done_comes_last(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_stream(credits=6))
    reply = customer.chat(live_gateway, "m", stream=True)

    last = events_of(reply.content)[-1]
    [hold], [record] = customer.holds(), customer.records()
    held = hold.amount_micros // CREDIT
    # One block: an event without data would end the stream of openai-go.
    comment, newline, done = last.partition(b"\n")
    assert newline + done == b"\n" + DONE
    assert comment.decode() == (
        f": x-request-id=req_{hold.id.hex} x-credits-held={held} "
        f"x-credits-remaining=99994 x-credits-charged=6 x-price-basis={record.basis}"
    )
    assert reply.headers["x-request-id"] == f"req_{hold.id.hex}"
    assert reply.headers["x-credits-held"] == f"{held}"
    assert reply.headers["x-credits-remaining"] == f"{100_000 - held}"
    assert "x-credits-charged" not in reply.headers  # nobody can know that yet


def test_the_first_event_arrives_while_the_upstream_still_works(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    gate = Gate()
    upstream.on(model="m", reply=chat_stream(credits=3).after_events(1, gate))
    body = {"model": "m", "messages": SAY_HI, "stream": True}

    http = customer.http(live_gateway)
    with http.stream("POST", "/chat/completions", json=body) as reply:
        parts = reply.iter_raw()
        assert b"Hello" in next(parts)
        upstream.journal.wait_until(lambda entries: entries[-1].pieces_sent == 1)
        assert [hold.state for hold in customer.holds()] == ["open"]
        gate.set()
        assert b"".join(parts).endswith(DONE)


def test_a_stream_is_settled_before_its_last_byte(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_stream(credits=2))
    body = {"model": "m", "messages": SAY_HI, "stream": True}
    http = customer.http(live_gateway)

    for round_ in range(1, 11):
        with http.stream("POST", "/chat/completions", json=body) as reply:
            wait_for_done(reply)
            # At this very moment, the connection still open: all is in the ledger.
            assert len(customer.records()) == round_
            assert {hold.state for hold in customer.holds()} == {"settled"}
    assert customer.charged_credits() == upstream.total_credits() == 20


def wait_for_done(reply: httpx.Response) -> None:
    seen = b""
    for part in reply.iter_raw():
        seen += part
        if b"[DONE]" in seen:
            return
    raise AssertionError(seen)


def test_a_price_factor_scales_every_usage_in_a_stream(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    customer.set_price_factor(1_500_000)
    usage = {**usage_of(7), "credits_breakdown": {"prompt": 2, "completion": 5}}
    events = [
        chat_chunk("a", usage=usage_of(2)),
        chat_chunk(finish_reason="stop"),
        chat_chunk(choices=[], usage=usage),
        DONE,
    ]
    upstream.on(model="m", reply=stream_reply(events, credits=7))
    content = customer.chat(live_gateway, "m", **ASKED).content

    first, last, own, end = events_of(content)
    assert json.loads(first[6:])["usage"] == usage_of(3)
    assert last == events[1]  # what has no usage is not touched
    shown = json.loads(own[6:])["usage"]
    assert shown["credits_used"] == 11
    assert shown["credits_breakdown"] == {"prompt": 3, "completion": 8}
    assert b"x-credits-charged=10.5" in end
    assert (
        UsageRecord.objects.get(hold=customer.holds()[0]).charged_micros == 10_500_000
    )


def test_a_silent_stream_says_that_it_lives_to_sdks_that_take_it(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    http, gate = customer.http(gateway(STREAM_KEEPALIVE_SECONDS=1)), Gate()
    upstream.on(model="m", reply=chat_stream(credits=1).after_events(1, gate))
    body = {"model": "m", "messages": SAY_HI, "stream": True}

    def begun(agent: str) -> Iterator[bytes]:
        headers = {"user-agent": agent}
        request = http.build_request(
            "POST", "/chat/completions", json=body, headers=headers
        )
        reply = http.send(request, stream=True)
        assert reply.headers["x-accel-buffering"] == "no"
        return reply.iter_raw()

    other, sdk = begun("curl/8"), begun("OpenAI/Python 3.0.0")
    silent, spoken = next(other), next(sdk)
    while b": keep-alive\n" not in spoken:
        spoken += next(sdk)
    gate.set()
    spoken += b"".join(sdk)
    silent += b"".join(other)
    assert b"keep-alive" not in silent
    # In the block of an event: alone it would be an event without data.
    for block in spoken.split(b"\n\n")[:-1]:
        assert b"data: " in block
    assert customer.charged_credits() == 2
