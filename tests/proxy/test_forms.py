"""Multipart bodies as clients really send them, and as nobody should."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.support.gateway import raw
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream

pytestmark = pytest.mark.once

PATH = "/images/edits"
BYTES_MAX = 100_000
PNG = b"\x89PNG\r\n\x1a\n"
# JSON is asked for, as OpenAI's SDKs do: who asks for nothing gets the image, too.
FORM = {
    "content-type": "multipart/form-data; boundary=x",
    "accept": "application/json",
}
MIB = 1024**2


def part(name: str, value: bytes, more: str = "") -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


IMAGE = part("image", PNG, '; filename="a.png"')
PROMPT = part("prompt", "Grüße".encode())
WHOLE = PROMPT + IMAGE + b"--x--\r\n"


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_a_form_without_a_length_is_read_all_the_same(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, size: int
) -> None:
    reply = customer.http(live_gateway).post(
        PATH, content=pieces(WHOLE, size), headers=FORM
    )

    entry, *_fetched = upstream.journal
    assert "content-length" not in reply.request.headers
    assert reply.status_code == 200
    assert entry.body["prompt"] == "Grüße"
    assert entry.body["image"] == "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"", FORM["content-type"]),
        (b"junk", FORM["content-type"]),
        (WHOLE[: -len(b"--x--\r\n")], FORM["content-type"]),
        (WHOLE[:-30], FORM["content-type"]),
        (b"x" + WHOLE, "multipart/form-data; boundary=y"),
        (WHOLE, "multipart/form-data"),
        (WHOLE, "multipart/form-data; boundary="),
        (WHOLE, "multipart/form-data; boundary=" + "x" * 300),
        (WHOLE, 'multipart/form-data; boundary="a\\"b'),
        (part("a", b"1") * 1_001 + WHOLE, FORM["content-type"]),
        (part("a", b"1", '; filename="a"') * 101 + WHOLE, FORM["content-type"]),
    ],
)
def test_a_form_that_is_none_is_refused(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    content: bytes,
    content_type: str,
) -> None:
    reply = customer.http(live_gateway).post(
        PATH, content=content, headers={"content-type": content_type}
    )

    assert_refusal(reply, 400, "invalid_request")
    assert_nothing_happened(customer, upstream)


@pytest.mark.parametrize(
    ("content_type", "encoding", "code"),
    [
        ("multipart/mixed; boundary=x", None, "unsupported_media_type"),
        ("application/x-www-form-urlencoded", None, "unsupported_media_type"),
        (FORM["content-type"], "gzip", "unsupported_encoding"),
    ],
)
def test_other_types_and_compressed_forms_are_refused(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    content_type: str,
    encoding: str | None,
    code: str,
) -> None:
    headers = {"content-type": content_type}
    if encoding:
        headers["content-encoding"] = encoding
    reply = customer.http(live_gateway).post(PATH, content=WHOLE, headers=headers)

    assert_refusal(reply, 415, code)
    assert_nothing_happened(customer, upstream)


def padded(size: int) -> bytes:
    """A form of exactly this many bytes that is refused for its image."""
    rest = len(part("image", b"", '; filename="a"') + b"--x--\r\n")
    return part("image", b"j" * (size - rest), '; filename="a"') + b"--x--\r\n"


def test_limits_of_size_and_time(
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
) -> None:
    limited = gateway(GATEWAY_UPLOAD_BYTES_MAX=BYTES_MAX, GATEWAY_BODY_SECONDS_MAX=1)
    http = customer.http(limited)
    as_json = {"content-type": "application/json"}
    for is_chunked in (False, True):
        for size, status in ((BYTES_MAX, 400), (BYTES_MAX + 1, 413), (300_000, 413)):
            for content, headers in (
                (padded(size), FORM),
                (b"{" + b" " * (size - 2) + b"}", as_json),
            ):
                body = pieces(content, 5_000) if is_chunked else content
                reply = http.post(PATH, content=body, headers=headers)
                code = "invalid_request" if status == 400 else "request_too_large"
                assert_refusal(reply, status, code)
    for length in (f"Content-Length: {len(WHOLE)}", "Transfer-Encoding: chunked"):
        assert_drip_is_given_up(limited, customer, length)
    assert_nothing_happened(customer, upstream)


def form_head(customer: Customer, *lines: str) -> bytes:
    kind = f"Content-Type: {FORM['content-type']}"
    return raw.head(customer.secret, kind, *lines, path=f"/v1{PATH}")


def assert_drip_is_given_up(limited: Gateway, customer: Customer, length: str) -> None:
    started = time.monotonic()
    with raw.connect(limited) as drip:
        drip.sendall(form_head(customer, length))
        drip.sendall(WHOLE[:1] if "Length" in length else b"1\r\n-\r\n")
        reply = drip.recv(65536)
    assert reply.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - started > 0.8  # nothing but its own limit answers it


def test_a_large_declared_size_is_refused_before_the_body_comes(
    live_gateway: Gateway, customer: Customer
) -> None:
    head = form_head(customer, f"Content-Length: {26 * MIB}", "Connection: close")
    with raw.connect(live_gateway) as connection:
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def memory_peak_bytes(gateway: Gateway) -> int:
    """The most that one of the gateway's processes ever had in memory."""
    assert gateway.process is not None
    pids = [gateway.process.pid]
    for pid in pids:  # grows: children of children
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            pids += map(int, children.read().split())
    peaks = []
    for pid in pids:
        with open(f"/proc/{pid}/status") as status:
            [line] = [line for line in status if line.startswith("VmHWM")]
        peaks.append(int(line.split()[1]) * 1024)
    return max(peaks)


def test_twenty_megabytes_take_less_than_a_hundred_of_memory(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    own = gateway()
    http: httpx.Client = customer.http(own)
    http.post(PATH, content=WHOLE, headers=FORM)  # all modules are loaded
    before = memory_peak_bytes(own)
    large = PNG + b"\x00" * (20 * MIB)
    content = PROMPT + part("image", large, '; filename="a"') + b"--x--\r\n"
    reply = http.post(PATH, content=pieces(content, 65536), headers=FORM)

    assert reply.status_code == 200
    largest = max(len(entry.raw_body) for entry in upstream.journal)
    assert largest > 20 * MIB * 4 // 3
    inside = b"data:image/png;base64," + b"A" * (24 * MIB)
    as_json = b'{"prompt": "p", "image": "' + inside + b'"}'
    headers = {"content-type": "application/json"}
    assert http.post(PATH, content=as_json, headers=headers).status_code == 200
    grown = memory_peak_bytes(own) - before
    assert grown < 100 * MIB, grown / MIB


@pytest.mark.parametrize("boundary", [b"--x\r\n", b"--x"])
def test_a_form_of_millions_of_parts_is_refused_before_they_are_read(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, boundary: bytes
) -> None:
    """5 MiB of them took 4 s, with the lock that all threads share."""
    content = WHOLE.removesuffix(b"--x--\r\n") + boundary * 200_000 + b"--x--\r\n"
    client = customer.http(live_gateway)
    reply = client.post(PATH, content=content, headers=FORM)
    assert_refusal(reply, 413, "request_too_complex")
    assert_nothing_happened(customer, upstream)
