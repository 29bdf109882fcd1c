"""Bodies that make no sense: refused in OpenAI's shape before anything is held."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream

pytestmark = pytest.mark.once

CHAT, EMBEDDINGS = "/chat/completions", "/embeddings"
DEPTH = 10_000


def with_field(value: bytes) -> bytes:
    return b'{"messages":[{"role":"user","content":"Hi"}],"seed":' + value + b"}"


UNREADABLE = {
    "empty": b"",
    "not JSON": b"{not json",
    "cut": b'{"messages": [',
    "two": b"{}{}",
    "comment": b'{"messages": [] /* all */}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "array": b"[]",
    "array of a body": b'[{"messages": []}]',
    "text": b'"messages"',
    "number": b"7",
    "null": b"null",
    "duplicate keys": b'{"model": "cheap", "model": "dear", "messages": []}',
    "duplicate keys inside": with_field(b'{"a": 1, "a": 2}'),
    "duplicate by escape": b'{"model": "a", "m\\u006fdel": "b", "messages": []}',
    "NaN": with_field(b"NaN"),
    "Infinity": with_field(b"Infinity"),
    "-Infinity": with_field(b"-Infinity"),
    "deep arrays": with_field(b"[" * DEPTH + b"]" * DEPTH),
    "deep objects": with_field(b'{"a":' * DEPTH + b"1" + b"}" * DEPTH),
    "endless depth": with_field(b"[" * 90_000),
    "5,000 digits": with_field(b"9" * 5_000),
    "-5,000 digits": with_field(b"-" + b"9" * 5_000),
    "4,300 digits": with_field(b"9" * 4_300),
    "30 digits": with_field(b"9" * 30),
    "2**64": with_field(b"18446744073709551616"),
    "-2**63-1": with_field(b"-9223372036854775809"),
    "lone surrogate": with_field(b'"\\ud800"'),
    "lone surrogate as key": b'{"messages": [], "\\udfff": 1}',
    "not UTF-8": with_field(b'"\xff\xfe"'),
    "UTF-16": '{"messages": []}'.encode("utf-16"),
    "bare control character": with_field(b'"a\nb"'),
}

WRONG_COUNTS: tuple[Any, ...] = (0, -1, 1.5, "x", "5", True, 10**12, 1e300, [], {})
WRONG_INPUTS: tuple[Any, ...] = (None, 7, {}, [], [None], [[]], 10**30)
# value → the param that the refusal names
WRONG_FIELDS: list[tuple[dict[str, Any], str | None]] = [
    ({"messages": None}, "messages"),
    ({"messages": "Hi"}, "messages"),
    ({"messages": {"role": "user", "content": "Hi"}}, "messages"),
    ({"messages": [None]}, "messages.0"),
    ({"messages": ["Hi"]}, "messages.0"),
    ({"messages": [{"role": "user"}]}, "messages.0"),
    ({"messages": [{"role": "god", "content": "Hi"}]}, "messages.0.role"),
    ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content"),
    ({"model": 7}, "model"),
    ({"model": None}, "model"),
    ({"model": ""}, "model"),
    ({"model": "m" * 201}, "model"),
    ({"model": "a\x00b"}, "model"),
    ({"model": "a\nb"}, "model"),
    ({"stream": "true"}, "stream"),
    ({"stream": 1}, "stream"),
    ({"temperature": "hot"}, "temperature"),
    ({"temperature": 2.1}, "temperature"),
    ({"web_search": "yes"}, "web_search"),
    *(
        ({name: value}, name)
        for name in ("max_tokens", "max_completion_tokens", "n")
        for value in WRONG_COUNTS
    ),
    ({"max_tokens": 131_073}, "max_tokens"),  # beyond the tariff's own bound
    ({"n": 129}, "n"),
]


@pytest.mark.parametrize("path", [CHAT, EMBEDDINGS])
def test_a_body_that_no_two_parsers_agree_on_is_refused(
    impatient_gateway: Gateway, upstream: Upstream, customer: Customer, path: str
) -> None:
    http = customer.http(impatient_gateway)
    for name, content in UNREADABLE.items():
        reply = http.post(
            path, content=content, headers={"content-type": "application/json"}
        )
        assert reply.status_code == 400, name
        assert_refusal(reply, 400, "invalid_request")
    assert_nothing_happened(customer, upstream)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        *((CHAT, name) for name in ("models", "plugins", "best_of", "api_base")),
        *((CHAT, name) for name in ("web_search_options", "modalities")),
        *((EMBEDDINGS, name) for name in ("messages", "api_key")),
        *(("/images/generations", name) for name in ("num_images", "image_size")),
        *(("/images/edits", name) for name in ("num_images", "upscale")),
        ("/videos/generations", "duration"),
        ("/music/generations", "lyrics"),
        ("/audio/speech", "num_voices"),
        ("/audio/transcriptions", "start"),
    ],
)
def test_what_no_bound_could_know_is_not_handed_on(
    impatient_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    path: str,
    field: str,
) -> None:
    bodies: dict[str, dict[str, Any]] = {
        CHAT: {"messages": SAY_HI},
        EMBEDDINGS: {"input": "Hi"},
        "/images/edits": {"image": "https://example.com/a.png", "prompt": "p"},
        "/audio/speech": {"input": "Hi"},
        "/audio/transcriptions": {"file": "https://example.com/a.mp3"},
    }
    body = {**bodies.get(path, {"prompt": "p"}), field: 2}
    reply = customer.http(impatient_gateway).post(path, json=body)

    assert_refusal(reply, 400, "unsupported_parameter")
    assert reply.json()["error"]["param"] == field
    assert "It takes: " in reply.json()["error"]["message"]
    assert_nothing_happened(customer, upstream)


@pytest.mark.once
def test_tools_that_the_upstream_would_run_are_refused(
    impatient_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}, {"type": "web_search"}]
    reply = customer.chat(impatient_gateway, "m", tools=tools)

    assert_refusal(reply, 400, "unsupported_parameter")
    assert reply.json()["error"]["param"] == "tools.1.type"
    assert_nothing_happened(customer, upstream)


def test_a_field_against_the_contract_is_refused_by_name(
    impatient_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    for fields, param in WRONG_FIELDS:
        body = {"model": "m", "messages": SAY_HI, **fields}
        reply = customer.http(impatient_gateway).post(CHAT, json=body)
        assert reply.status_code == 400, fields
        assert_refusal(reply, 400, "invalid_request")
        assert reply.json()["error"]["param"] == param
    assert_nothing_happened(customer, upstream)


def test_wrong_embeddings_are_refused(
    impatient_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    for fields in (
        *({"input": value} for value in WRONG_INPUTS),
        {"input": ["x"] * 2_049},
        {"input": "x", "encoding_format": "hex"},
        {"input": "x", "encoding_format": 7},
        {"input": "x", "dimensions": "8"},
        {"input": "x", "dimensions": 10**30},
        {"input": "x", "model": "\x00"},
        {},
    ):
        reply = customer.http(impatient_gateway).post(EMBEDDINGS, json=fields)
        assert reply.status_code == 400, fields
        assert_refusal(reply, 400, "invalid_request")
    assert_nothing_happened(customer, upstream)


def test_a_refusal_does_not_repeat_the_prompt(
    impatient_gateway: Gateway, customer: Customer
) -> None:
    messages = [{"role": "user", "content": ["a secret prompt"]}]
    reply = customer.chat(impatient_gateway, messages=messages)

    assert reply.status_code == 400
    assert "secret" not in reply.text
    assert "secret prompt" not in impatient_gateway.log_text()


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["messages", "model", "stream", "max_tokens", "n", "stream_options", "input"]
    + ["encoding_format", "images", "web_search", "temperature", "tools", "usage"]
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "system"]), "content": st.text(max_size=9)}
    ),
    max_size=2,
)
BODIES = st.dictionaries(FIELDS, VALUES, max_size=4) | st.builds(
    lambda messages, more: {**more, "messages": messages},
    MESSAGES,
    st.dictionaries(FIELDS, VALUES, max_size=3),
)


def test_no_body_at_all_makes_the_gateway_fail(
    impatient_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    http = customer.http(impatient_gateway)

    @seed(2026)
    @settings(
        max_examples=150,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(path=st.sampled_from([CHAT, EMBEDDINGS]), body=BODIES, junk=st.binary())
    def no_body_fails(path: str, body: dict[str, Any], junk: bytes) -> None:
        for content in (json.dumps(body).encode(), junk):
            reply = send(http, path, content)
            assert reply.status_code in (200, 400, 402), (content, reply.text)

    no_body_fails()
    assert {hold.state for hold in customer.holds()} <= {"settled"}
    assert len(customer.holds()) == len(upstream.journal)


def send(http: httpx.Client, path: str, content: bytes) -> httpx.Response:
    return http.post(
        path, content=content, headers={"content-type": "application/json"}
    )
