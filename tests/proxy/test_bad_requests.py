"""Requests that are wrong before their body is read: routes, methods, sizes, types."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Iterator

import httpx
import pytest

from tests.proxy.conftest import IMPATIENT
from tests.support.gateway import raw
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream

pytestmark = pytest.mark.once

CHAT = "/chat/completions"
BODY = b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}'
BYTES_MAX = int(IMPATIENT["GATEWAY_BODY_BYTES_MAX"])


@pytest.fixture
def http(impatient_gateway: Gateway, customer: Customer) -> httpx.Client:
    return customer.http(impatient_gateway)


@pytest.fixture(autouse=True)
def nothing_happened(customer: Customer, upstream: Upstream) -> Iterator[None]:
    """None of the requests in this file may cost anything."""
    yield
    assert_nothing_happened(customer, upstream)


def padded(size: int) -> bytes:
    """A valid body of exactly this many bytes that fails on its last field."""
    head, tail = b'{"messages": [], "pad": "', b'", "max_tokens": 0}'
    return head + b"x" * (size - len(head) - len(tail)) + tail


@pytest.mark.parametrize(
    "path",
    [
        *("/moderations", "/files"),
        *("/images/variations", "/chat/completions/", "/Chat/Completions", "/"),
        *("/chat//completions", "/chat/completions%00", "/%ff%fe", "/..%2fhealthz"),
    ],
)
def test_an_unknown_route_is_a_404_in_openais_shape(
    http: httpx.Client, path: str
) -> None:
    for method in ("GET", "POST", "DELETE"):
        reply = http.request(method, path, content=BODY)
        assert_refusal(reply, 404, "unsupported_endpoint")
        told = reply.json()["error"]["message"]
        assert "/v1/chat/completions, " in told
        assert "/v1/models, " in told


@pytest.mark.parametrize(
    ("path", "allowed", "openais"),
    [
        (CHAT, {"POST"}, {"GET"}),
        ("/embeddings", {"POST"}, set()),
        ("/models", {"GET", "HEAD"}, set()),
        ("/models/openai/gpt-4o", {"GET", "HEAD"}, {"DELETE"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    http: httpx.Client, path: str, allowed: set[str], openais: set[str]
) -> None:
    known = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"}
    for method in openais:  # what its SDKs can call: see test_unsupported_endpoints
        assert_refusal(http.request(method, path), 404, "unsupported_endpoint")
    for method in known - allowed - openais:
        reply = http.request(method, path, content=BODY)
        assert_refusal(reply, 405, "method_not_allowed")
        assert set(reply.headers["allow"].split(", ")) == allowed


def test_a_head_request_has_no_body(http: httpx.Client) -> None:
    reply = http.head(CHAT)
    assert (reply.status_code, reply.content) == (405, b"")
    assert reply.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/octet-stream",
        "json",
    ],
)
def test_only_json_is_taken(http: httpx.Client, content_type: str) -> None:
    reply = http.post(CHAT, content=BODY, headers={"content-type": content_type})
    assert_refusal(reply, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("gzip", gzip.compress(BODY, mtime=0)),
        ("deflate", zlib.compress(BODY)),
        ("br", BODY),
        ("gzip, identity", BODY),
        ("gzip", gzip.compress(b"x" * 10_000_000, mtime=0)),
    ],
)
def test_a_compressed_body_is_refused_unread(
    http: httpx.Client, encoding: str, content: bytes
) -> None:
    headers = {"content-encoding": encoding, "content-type": "application/json"}
    reply = http.post(CHAT, content=content, headers=headers)
    assert_refusal(reply, 415, "unsupported_encoding")


def test_a_body_may_be_as_large_as_the_limit_and_no_byte_more(
    http: httpx.Client,
) -> None:
    headers = {"content-type": "application/json"}
    for is_chunked in (False, True):
        for size, status, code in (
            (BYTES_MAX, 400, "invalid_request"),
            (BYTES_MAX + 1, 413, "request_too_large"),
            (3 * BYTES_MAX, 413, "request_too_large"),
        ):
            content = padded(size)
            parts = iter([content[:1000], content[1000:]]) if is_chunked else content
            assert_refusal(
                http.post(CHAT, content=parts, headers=headers), status, code
            )


def test_a_declared_size_is_refused_before_the_body_comes(
    impatient_gateway: Gateway, customer: Customer
) -> None:
    size = f"Content-Length: {BYTES_MAX + 1}"
    head = raw.head(customer.secret, size, "Connection: close")
    assert b" 413 " in raw.exchange(impatient_gateway, head).split(b"\r\n")[0]


def test_an_endless_body_is_refused_while_it_still_comes(
    impatient_gateway: Gateway, customer: Customer
) -> None:
    head = raw.head(customer.secret, "Transfer-Encoding: chunked")
    chunk = b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"
    with raw.connect(impatient_gateway) as endless:
        endless.sendall(head + chunk + chunk)
        assert endless.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_drips_is_given_up(
    impatient_gateway: Gateway, customer: Customer
) -> None:
    head = raw.head(
        customer.secret,
        f"Content-Length: {len(BODY)}",
        "Content-Type: application/json",
    )
    started = time.monotonic()
    with raw.connect(impatient_gateway) as dripping:
        dripping.sendall(head + BODY[:5])
        dripping.sendall(BODY[5:6])
        reply = dripping.recv(65536)

    assert reply.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in reply
    assert time.monotonic() - started > 0.8  # nothing but its own limit answers it


def test_a_client_that_leaves_within_its_body_costs_nothing(
    impatient_gateway: Gateway, customer: Customer
) -> None:
    before = len(impatient_gateway.log_text())
    head = raw.head(customer.secret, f"Content-Length: {len(BODY)}")
    for sent in (0, 1, len(BODY) - 1):
        with raw.connect(impatient_gateway) as leaving:
            leaving.sendall(head + BODY[:sent])
    reply = customer.http(impatient_gateway).post(CHAT, content=b"{}")
    assert_refusal(reply, 400, "invalid_request")  # it still answers
    assert "Traceback" not in impatient_gateway.log_text()[before:]


@pytest.mark.parametrize(
    "request_line", [b"GET /v1/models?a=\xff HTTP/1.1", b"GET /v1/\xff HTTP/1.1"]
)
def test_bytes_that_are_no_address_are_no_crash(
    impatient_gateway: Gateway, request_line: bytes
) -> None:
    request = request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n"
    reply = raw.exchange(impatient_gateway, request)

    assert int(reply.split()[1]) in (400, 401, 404)
