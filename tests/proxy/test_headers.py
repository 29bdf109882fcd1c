"""Headers cross the gateway by a list of what may, in both directions."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.gateway import raw
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.services.environment import UPSTREAM_API_KEY
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, chat_json, chat_stream, error_json

pytestmark = pytest.mark.once

BODY = {"model": "m", "messages": SAY_HI}
# All that the upstream ever gets to see.
SENT = {
    "host",
    "authorization",
    "content-type",
    "content-length",
    "accept",
    "accept-encoding",
    "user-agent",
}
UNWANTED = {
    "OpenAI-Organization": "org-1",
    "OpenAI-Project": "proj-1",
    "X-Forwarded-For": "10.0.0.1",
    "X-Forwarded-Host": "evil.example",
    "X-Real-IP": "10.0.0.1",
    "X_Forwarded_For": "10.0.0.1",
    "Forwarded": "for=10.0.0.1",
    "Cookie": "session=1",
    "Proxy-Authorization": "Basic dTpw",
    "Proxy-Connection": "keep-alive",
    "X-Stainless-Retry-Count": "2",
    "User-Agent": "Evil/1.0",
    "Accept-Encoding": "gzip, br",
    "TE": "trailers",
    "Idempotency-Key": "k",
    "X-Request-Id": "mine",
    "X-Api-Key": "mine",
    "Traceparent": "00-1-1-01",
    "Connection": "Authorization, Content-Type, close",
}


def assert_only_our_headers(upstream: Upstream, customer: Customer) -> None:
    for entry in upstream.journal:
        assert set(entry.headers) == SENT
        assert len(entry.request.raw_headers) == len(SENT)  # none twice
        assert entry.headers["authorization"] == f"Bearer {UPSTREAM_API_KEY}"
        assert entry.headers["accept-encoding"] == "identity"
        assert entry.headers["content-type"] == "application/json"
        assert entry.headers["user-agent"] == "tollgate"
        assert entry.headers["host"] == f"127.0.0.1:{upstream.port}"
        assert customer.secret not in str(entry.request.raw_headers)
        assert entry.query == {}


def test_the_upstream_gets_our_headers_and_none_of_the_clients(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    http = customer.http(live_gateway)
    for path, body in (
        ("/chat/completions?async=true&api_base=http://evil", BODY),
        ("/embeddings", {"model": "m", "input": "Hi"}),
    ):
        assert http.post(path, json=body, headers=UNWANTED).status_code == 200

    assert len(upstream.journal) == 2
    assert_only_our_headers(upstream, customer)


def test_the_sdks_headers_stay_here_too(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    sdk = customer.openai(live_gateway).with_options(
        default_headers=UNWANTED | {"Connection": "keep-alive"}
    )
    sdk.chat.completions.create(model="m", messages=SAY_HI)

    assert_only_our_headers(upstream, customer)


TOKENS = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,15}", fullmatch=True)
LEFT_ALONE = {"authorization", "content-length", "transfer-encoding", "host", "expect"}


def test_no_header_at_all_is_forwarded(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    http = customer.http(live_gateway)

    @settings(max_examples=40, database=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(TOKENS, TOKENS, max_size=5))
    def nothing_gets_through(headers: dict[str, str]) -> None:
        kept = {k: v for k, v in headers.items() if k.lower() not in LEFT_ALONE}
        http.post("/chat/completions", json=BODY, headers=kept)

    nothing_gets_through()
    assert_only_our_headers(upstream, customer)


THEIRS = {
    "set-cookie": "upstream=1",
    "server": "upstream/1.0",
    "www-authenticate": "Bearer",
    "x-ratelimit-remaining-requests": "7",
    "x-upstream-account": "op-77",
    "location": "http://evil.example",
    "access-control-allow-origin": "*",
    "content-security-policy": "default-src *",
    "alt-svc": "h3",
    "x-credits-charged": "0",
    "cache-control": "public",
    "transfer-encoding-": "x",
}
OURS = {
    "x-request-id",
    "x-credits-held",
    "x-credits-remaining",
    "x-credits-charged",
    "x-price-basis",
    "cache-control",
    "content-type",
    "content-length",
}
SERVERS = {"server", "date"}  # granian's own


@pytest.mark.parametrize("stream", [False, True])
def test_none_of_the_upstreams_headers_reaches_the_client(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, stream: bool
) -> None:
    reply = (chat_stream if stream else chat_json)(credits=4, headers=THEIRS)
    upstream.on(model="m", reply=reply)
    got = customer.chat(live_gateway, "m", stream=stream)

    of_streams = {"transfer-encoding", "x-accel-buffering"} if stream else set()
    assert set(got.headers) - SERVERS <= OURS | of_streams
    assert got.headers.get("server") != "upstream/1.0"
    assert got.headers["cache-control"] == "no-store"
    [hold] = customer.holds()
    assert got.headers["x-request-id"] == f"req_{hold.id.hex}"
    if not stream:
        assert got.headers["x-credits-charged"] == "4"


def test_an_error_brings_none_of_them_either(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=error_json(400, headers=THEIRS))
    got = customer.chat(live_gateway, "m")

    assert set(got.headers) - SERVERS <= OURS | {"x-should-retry"}
    assert got.headers["x-credits-charged"] == "0"


@pytest.mark.parametrize(
    "accept",
    ["application/octet-stream", "application/binary", "text/html", "audio/*", "x"],
)
def test_whatever_a_client_accepts_it_gets_what_there_is(
    live_gateway: Gateway, customer: Customer, accept: str
) -> None:
    http = customer.http(live_gateway)
    for reply in (
        http.post("/chat/completions", json=BODY, headers={"accept": accept}),
        http.post("/embeddings", json={"input": "Hi"}, headers={"accept": accept}),
        http.get("/models?format=html", headers={"accept": accept}),
    ):
        assert reply.status_code == 200
        assert reply.headers["content-type"] == "application/json"


def test_a_list_may_be_asked_for_its_head(
    live_gateway: Gateway, customer: Customer
) -> None:
    reply = customer.http(live_gateway).head("/models")

    assert (reply.status_code, reply.content) == (200, b"")


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 2\r\nContent-Length: 3\r\n",
        b"Content-Length: +2\r\n",
        b"Content-Length: 0x2\r\n",
        b"Content-Length: \xb2\r\n",
        b"Transfer-Encoding: gzip, chunked, identity\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
        b"X: a\r\n folded\r\nContent-Length : 2\r\n",
    ],
)
def test_ambiguous_framing_is_refused(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, framing: bytes
) -> None:
    head = raw.head(customer.secret, "Connection: close").removesuffix(b"\r\n")
    reply = raw.exchange(live_gateway, head + framing + b"\r\n{}GET / HTTP/1.1\r\n\r\n")

    statuses = [line.split()[1] for line in reply.split(b"\r\n") if b"HTTP/1.1" in line]
    assert statuses == [b"400"]
    assert (len(upstream.journal), customer.holds()) == (0, [])


def test_chunked_with_a_length_is_read_as_chunked_or_refused(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    framing = ("Content-Length: 40", "Transfer-Encoding: chunked")
    head = raw.head(customer.secret, "Connection: close", *framing)
    next_call = b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"
    reply = raw.exchange(live_gateway, head + b"2\r\n{}\r\n0\r\n\r\n" + next_call)

    assert reply.count(b"HTTP/1.1 ") == 1
    assert reply.split()[1] == b"400"
    assert len(upstream.journal) == 0
