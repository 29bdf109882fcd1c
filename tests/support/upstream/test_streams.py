"""Every scripted misbehaviour of an event stream arrives as scripted."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
import pytest

from tests.support.upstream import (
    DONE,
    Gate,
    ScriptedReply,
    Upstream,
    chat_chunk,
    chat_stream,
    sse,
    stream_reply,
    usage_of,
)
from tests.support.upstream.conftest import Ask

USAGE = b'"usage":'


def test_the_usage_position_is_chosen() -> None:
    own = chat_stream(usage_position="own_chunk").steps
    last = chat_stream(usage_position="last_choice").steps
    none = chat_stream(usage_position=None)

    assert USAGE in own[-2]  # type: ignore[operator]
    assert b'"choices":[]' in own[-2]  # type: ignore[operator]
    assert USAGE in last[-2]  # type: ignore[operator]
    assert b'"finish_reason":"stop"' in last[-2]  # type: ignore[operator]
    assert USAGE not in none.body
    assert DONE not in chat_stream(done=False).body


@pytest.mark.parametrize(
    "reshape",
    [
        lambda reply: reply,
        lambda reply: reply.split(1),
        lambda reply: reply.split(7),
        lambda reply: reply.split_at([3, 100]),
        lambda reply: reply.paced(0.001),
        lambda reply: reply.but(framing="close"),
    ],
)
def test_chunk_boundaries_do_not_change_the_bytes(
    upstream: Upstream, ask: Ask, reshape: Callable[[ScriptedReply], ScriptedReply]
) -> None:
    reply = chat_stream(pieces=["Grüße", " 世界"], credits=5)
    upstream.on(model="m", reply=reshape(reply))

    assert ask("m", stream=True).content == reply.body
    assert upstream.total_credits() == 5


def test_events_can_be_composed_freely(upstream: Upstream, ask: Ask) -> None:
    events = [
        b": a comment\n\n",
        chat_chunk("Hello", usage=usage_of(1)),
        sse(b'{"a":\n1}'),
        chat_chunk(choices=[], usage=usage_of(2), newline=b"\r\n"),
        DONE,
        chat_chunk("after the end"),
    ]
    upstream.on(model="m", reply=stream_reply(events, credits=2))

    content = ask("m").content
    assert content == b"".join(events)
    assert b'data: {"a":\ndata: 1}\n\n' in content
    assert b"}}\r\n\r\ndata: [DONE]" in content


@pytest.mark.parametrize("framing", ["chunked", "length"])
@pytest.mark.parametrize("ending", ["events", "bytes"])
def test_a_cut_stream_breaks_the_connection(
    upstream: Upstream, http: httpx.Client, framing: str, ending: str
) -> None:
    reply = chat_stream().but(framing=framing)
    cut = reply.cut_after_events(2) if ending == "events" else reply.cut_after_bytes(50)
    upstream.on(model="m", reply=cut)

    with (
        pytest.raises(httpx.RemoteProtocolError),
        http.stream("POST", "/chat/completions", json={"model": "m"}) as response,
    ):
        response.read()
    [entry] = upstream.journal.wait_finished()
    assert entry.state == "cut"
    assert response.num_bytes_downloaded == entry.bytes_sent < len(reply.body)


def test_a_stalled_stream_stays_open(upstream: Upstream, http: httpx.Client) -> None:
    reply = chat_stream().stall_after_events(1)
    upstream.on(model="m", reply=reply)

    order = {"model": "m"}
    with http.stream("POST", "/chat/completions", json=order) as response:
        # Held by a name until the end: when nobody holds it, the stream is closed.
        pieces = response.iter_raw()
        next(pieces)
        upstream.journal.wait_until(lambda entries: entries[0].state == "stalled")
    [entry] = upstream.journal.wait_finished()
    assert (entry.state, entry.pieces_sent) == ("client_gone", 1)


def test_the_journal_tells_that_the_client_left_mid_stream(
    upstream: Upstream, http: httpx.Client
) -> None:
    gate = Gate()
    upstream.on(model="m", reply=chat_stream(charge="after").after_events(1, gate))

    with http.stream("POST", "/chat/completions", json={"model": "m"}) as response:
        next(response.iter_raw())
    [entry] = upstream.journal.wait_finished()
    assert entry.state == "client_gone"
    assert upstream.total_credits() == 0  # it was to be charged at the end


def test_every_event_may_take_its_time(upstream: Upstream, ask: Ask) -> None:
    upstream.on(model="m", reply=chat_stream(charge="after").paced(0.02))

    started = time.monotonic()
    ask("m")
    assert time.monotonic() - started >= 0.02 * 5
    upstream.journal.wait_finished()
    assert upstream.total_credits() == 3


def test_an_interruption_beyond_the_end_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="fewer than 9 pieces"):
        chat_stream().cut_after_events(9)
    with pytest.raises(ValueError, match="fewer bytes"):
        chat_stream().cut_after_bytes(10**6)
