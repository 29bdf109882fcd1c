"""However a stream is cut into reads, its events and its usage are the same."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.sse import Event, EventTooLarge, Splitter
from tests.support.upstream import DONE, chat_chunk, usage_of
from tests.support.upstream import sse as event

LINE_ENDS = (b"\n", b"\r\n", b"\r")


def read(chunks: Iterable[bytes]) -> list[Event]:
    splitter = Splitter()
    events = [event for chunk in chunks for event in splitter.feed(chunk)]
    rest = splitter.rest()
    return [*events, rest] if rest else events


def payloads(chunks: Iterable[bytes]) -> list[bytes]:
    return [event.data for event in read(chunks) if event.data]


def usage_in(chunks: Iterable[bytes]) -> list[object]:
    """All top-level usage, as settlement looks for it."""
    documents = [
        orjson.loads(data) for data in payloads(chunks) if data.startswith(b"{")
    ]
    return [document["usage"] for document in documents if "usage" in document]


def recorded(newline: bytes) -> bytes:
    """A stream with everything that is legal: comments, fields, lines, Unicode."""
    parts = [
        b": welcome" + newline * 2,
        chat_chunk("Grüße 世界", newline=newline),
        b"event: note" + newline + b"id: 1" + newline + event(b"{}", newline=newline),
        event(b'{"a":\n1,\n"b": 2}', newline=newline),
        b"data:no space" + newline * 2,
        b"retry: 10" + newline * 2,
        chat_chunk('"usage":{"credits_used":0}', newline=newline),
        chat_chunk(choices=[], usage=usage_of(7), newline=newline),
        DONE.replace(b"\n", newline),
    ]
    return b"".join(parts)


STREAMS = {newline: recorded(newline) for newline in LINE_ENDS}
EXPECTED = payloads([STREAMS[b"\n"]])


def test_the_recorded_stream_is_understood() -> None:
    assert len(EXPECTED) == 7
    assert EXPECTED[2] == b'{"a":\n1,\n"b": 2}'
    assert EXPECTED[3] == b"no space"
    assert EXPECTED[-1] == b"[DONE]"
    assert usage_in([STREAMS[b"\n"]]) == [usage_of(7)]


@pytest.mark.parametrize("newline", LINE_ENDS, ids=repr)
def test_every_single_split_gives_the_same_events(newline: bytes) -> None:
    stream = STREAMS[newline]
    for at in range(len(stream) + 1):
        chunks = [stream[:at], stream[at:]]
        assert payloads(chunks) == EXPECTED, at
        handed_on = b"".join(event.raw for event in read(chunks))
        assert handed_on.rstrip(b"\r\n") == stream.rstrip(b"\r\n"), at


@given(newline=st.sampled_from(LINE_ENDS), data=st.data())
def test_any_number_of_splits_gives_the_same_events(
    newline: bytes, data: st.DataObject
) -> None:
    stream = STREAMS[newline]
    offsets = data.draw(st.sets(st.integers(0, len(stream)), max_size=40))
    edges = sorted({0, len(stream), *offsets})
    chunks = [stream[a:b] for a, b in pairwise(edges)]

    assert payloads(chunks) == EXPECTED
    assert usage_in(chunks) == [usage_of(7)]


@pytest.mark.parametrize("newline", LINE_ENDS, ids=repr)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_single_bytes_give_the_same_events(newline: bytes, size: int) -> None:
    stream = STREAMS[newline]
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]

    assert payloads(chunks) == EXPECTED


@pytest.mark.parametrize("newline", LINE_ENDS, ids=repr)
@pytest.mark.parametrize(
    "last",
    [
        b'data: {"usage": {"credits_used": 5}}',
        b'data: {"usage":\ndata: {"credits_used": 5}}',
        b'data: {"usage": {"credits_used": 5}}\nid: 7',
        b'event: x\ndata: {"usage": {"credits_used": 5}}',
    ],
)
def test_the_last_event_needs_no_empty_line(newline: bytes, last: bytes) -> None:
    for ends in (b"", b"\n"):
        stream = (last + ends).replace(b"\n", newline)
        assert usage_in([b": hello\n\n", stream]) == [{"credits_used": 5}]
        assert read([stream])[-1].raw.endswith(b"\n\n")


@given(
    texts=st.lists(st.text(), max_size=6),
    newline=st.sampled_from(LINE_ENDS),
    size=st.integers(1, 50),
)
def test_no_text_is_mistaken_for_usage(
    texts: list[str], newline: bytes, size: int
) -> None:
    tricks = ['\n\ndata: {"usage":{"credits_used":0}}\n\n', "\r\rdata: [DONE]\r\r"]
    events = [chat_chunk(text, newline=newline) for text in [*texts, *tricks]]
    stream = b"".join([*events, chat_chunk(usage=usage_of(3), newline=newline)])
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]

    assert usage_in(chunks) == [usage_of(3)]
    spoken = [orjson.loads(data)["choices"][0]["delta"] for data in payloads(chunks)]
    assert [delta.get("content") for delta in spoken[:-1]] == [*texts, *tricks]


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_no_bytes_are_lost_whatever_they_are(chunks: list[bytes]) -> None:
    stream = b"".join(chunks)
    splitter = Splitter()
    seen = b"".join(event.raw for chunk in chunks for event in splitter.feed(chunk))

    assert stream.startswith(seen)
    assert b"\n\n" not in stream[len(seen) :]


def test_an_event_without_end_is_given_up() -> None:
    splitter = Splitter(event_bytes_max=100)
    assert list(splitter.feed(b"data: " + b"x" * 90)) == []
    with pytest.raises(EventTooLarge):
        list(splitter.feed(b"x" * 10))
