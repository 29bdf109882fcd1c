"""No block without data leaves: naive parsers read one as an event that is not JSON."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    DONE,
    Upstream,
    chat_chunk,
    sse,
    stream_reply,
    usage_of,
)

pytestmark = pytest.mark.once

WITHOUT_DATA = [
    b": an upstream's comment",
    b"id: 1",
    b"event: ping",
    b"retry: 10",
    b"id: 2\nevent: ping\n: with a comment",
    b"data",
    b"data:",
    b"data:  ",
    b"",
]


def blocks_of(content: bytes) -> list[bytes]:
    """The blocks as the most naive parser has them: an empty line ends each."""
    *blocks, rest = content.replace(b"\r\n", b"\n").split(b"\n\n")
    assert rest == b""
    return blocks


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=repr)
def test_blocks_without_data_are_not_handed_on(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, newline: bytes
) -> None:
    events = [chat_chunk("a"), chat_chunk(finish_reason="stop", usage=usage_of(2))]
    pieces: list[bytes] = []
    for event in (*events, DONE):
        idle = [block.replace(b"\n", newline) + newline * 2 for block in WITHOUT_DATA]
        pieces += [*idle, newline, event.replace(b"\n", newline)]
    upstream.on(model="m", reply=stream_reply(pieces, credits=2))
    content = customer.chat(live_gateway, "m", stream=True).content

    *shown, last = blocks_of(content)
    assert shown == [event.removesuffix(b"\n\n") for event in events]
    comment, done = last.split(b"\n")
    assert comment.startswith(b": x-request-id=req_")
    assert done + b"\n\n" == DONE


def test_the_sdk_reads_a_stream_whose_events_are_numbered(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    events = [b"id: 1\n" + chat_chunk("Ahoy"), b"id: 2\n\n", b"\n", DONE]
    upstream.on(model="m", reply=stream_reply(events))
    stream = customer.openai(live_gateway).chat.completions.create(
        model="m", messages=SAY_HI, stream=True
    )

    assert [chunk.choices[0].delta.content for chunk in stream] == ["Ahoy"]


@pytest.mark.parametrize(
    "events",
    [
        [chat_chunk("a"), b": left"],  # broken off: an error event is the last
        [b": only\n\n", b"id: 1\n\n"],
        [chat_chunk("a"), sse({"error": {"message": "no"}}), DONE],
    ],
    ids=["cut", "nothing", "error"],
)
def test_every_end_of_a_stream_is_a_block_with_data(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, events: Any
) -> None:
    upstream.on(model="m", reply=stream_reply(events))
    content = customer.chat(live_gateway, "m", stream=True).content

    for block in blocks_of(content):
        assert any(line.startswith(b"data: ") for line in block.split(b"\n")), block
