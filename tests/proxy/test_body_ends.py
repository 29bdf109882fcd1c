"""When a request's body has been read: no more is waited for than has to come."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from proxy.http.handler import BodyTooLarge, ClientGone, LeanRequest

GONE: dict[str, Any] = {"type": "http.disconnect"}


def piece(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


class Sent:
    """What a client sends, and how much of it was asked for."""

    def __init__(self, messages: Iterable[dict[str, Any]]) -> None:
        self.left = list(messages)

    async def receive(self) -> dict[str, Any]:
        return self.left.pop(0)


def read(sent: Sent, **headers: str) -> bytes:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/x",
        "headers": [
            (name.replace("_", "-").encode(), value.encode())
            for name, value in headers.items()
        ],
    }
    request = LeanRequest(scope, sent.receive)
    return asyncio.run(request.read_body(bytes_max=100, seconds_max=5))


def test_a_body_that_is_all_here_waits_for_no_more() -> None:
    sent = Sent([piece(b"abc"), piece(b"def"), piece(b"", more=False)])
    assert read(sent, content_length="6") == b"abcdef"
    assert len(sent.left) == 1


def test_in_chunks_it_ends_when_the_client_says_so() -> None:
    """A length beside them says nothing."""
    for headers in ({}, {"content_length": "3"}):
        sent = Sent([piece(b"abc"), piece(b"def"), piece(b"", more=False)])
        assert read(sent, transfer_encoding="chunked", **headers) == b"abcdef"
        assert sent.left == []


def test_an_empty_body_is_one() -> None:
    assert read(Sent([piece(b"", more=False)]), content_length="0") == b""
    assert read(Sent([piece(b"", more=False)])) == b""


def test_one_that_is_cut_off_is_none() -> None:
    with pytest.raises(ClientGone):
        read(Sent([piece(b"abc"), GONE]), content_length="6")


def test_one_that_is_too_large_is_refused_unread() -> None:
    sent = Sent([piece(b"a" * 101)])
    with pytest.raises(BodyTooLarge):
        read(sent, content_length="101")
    assert len(sent.left) == 1
    with pytest.raises(BodyTooLarge):
        read(sent, transfer_encoding="chunked")
