"""A refusal must reach a client that is still sending what was refused."""

from __future__ import annotations

import socket

import pytest

from tests.proxy.conftest import IMPATIENT
from tests.support.gateway import raw
from tests.support.gateway.customers import Customer, mistyped
from tests.support.gateway.refused import assert_nothing_happened
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream

pytestmark = pytest.mark.once

NEXT = b"GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n"


def head(secret: str, framing: str) -> bytes:
    return raw.head(secret, "Content-Type: application/json", framing)


def read_reply(connection: socket.socket) -> bytes:
    """One reply with a Content-Length, whole."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = connection.recv(65536)
        assert piece, "the connection was closed before an answer"
        got += piece
    start, _, body = got.partition(b"\r\n\r\n")
    [length] = [
        int(line.split(b":")[1])
        for line in start.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    while len(body) < length:
        body += connection.recv(65536)
    return start


@pytest.mark.parametrize("framing", ["Content-Length: 400000", "chunked"])
@pytest.mark.parametrize("is_known", [True, False])
def test_what_is_refused_early_is_read_on_and_the_connection_stays(
    impatient_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    framing: str,
    is_known: bool,
) -> None:
    """Refused by its key, or its size, with half of the body still to come."""
    assert int(IMPATIENT["GATEWAY_BODY_BYTES_MAX"]) < 200_000
    half = b"x" * 200_000
    is_chunked = framing == "chunked"
    if is_chunked:
        framing, half = "Transfer-Encoding: chunked", b"30D40\r\n" + half + b"\r\n"
    secret = customer.secret if is_known else mistyped(customer.secret)
    with raw.connect(impatient_gateway) as connection:
        connection.sendall(head(secret, framing) + half)
        status = read_reply(connection).split()[1]
        connection.sendall(half + (b"0\r\n\r\n" if is_chunked else b""))
        connection.sendall(NEXT)
        assert read_reply(connection).split()[1] == b"404"

    assert status == (b"413" if is_known else b"401")
    assert_nothing_happened(customer, upstream)


def test_who_sends_nothing_more_is_let_go(
    impatient_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    """Also when nothing else happens that would make Python collect its garbage: so
    this wait has an end, long for a busy machine, short for the next collection."""
    for _ in range(3):
        with raw.connect(impatient_gateway, seconds=15) as connection:
            connection.sendall(head(customer.secret, "Content-Length: 400000"))
            assert read_reply(connection).split()[1] == b"413"
            assert connection.recv(1) == b""

    assert_nothing_happened(customer, upstream)
