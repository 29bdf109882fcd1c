"""What an upstream passed over in silence is named; what it lacks is refused free."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.sandbox.server import KEY, Sandbox
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    Upstream,
    chat_json,
    chat_stream,
    json_reply,
    usage_of,
)

pytestmark = pytest.mark.once
TOOL = {"type": "function", "function": {"name": "f"}}
FORM = {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}
IGNORED = "x-ignored-parameters"
ASKED: list[tuple[dict[str, Any], str]] = [
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"response_format": FORM}, "response_format"),
    ({"tools": [TOOL], "tool_choice": "required"}, "tool_choice"),
    ({"tools": [TOOL], "tool_choice": TOOL}, "tool_choice"),
    ({"logprobs": True}, "logprobs"),
    ({"store": True}, "store"),
    ({"service_tier": "flex"}, "service_tier"),
]
ASKS_NOTHING: dict[str, Any] = {
    "response_format": {"type": "text"},
    "tools": [TOOL],
    "tool_choice": "auto",
    "logprobs": False,
    "store": False,
    "service_tier": "auto",
    "modalities": ["text"],
}


def test_what_the_answer_does_not_show_is_named(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(credits=2, text="Hello {"))
    for fields, name in ASKED:
        reply = customer.chat(live_gateway, "m", **fields)
        assert (reply.status_code, reply.headers.get(IGNORED)) == (200, name)
    assert IGNORED not in customer.chat(live_gateway, "m", **ASKS_NOTHING).headers
    assert "modalities" not in upstream.journal.last.body
    charged = 2 * (len(ASKED) + 1)
    assert customer.charged_credits() == upstream.total_credits() == charged


@pytest.mark.parametrize(
    ("text", "is_heeded"),
    [
        ('{"town": "Bonn", "size": 3}', True),
        ('{"town": "Bonn", "size": "3"}', False),
        ('{"town": "Bonn"}', False),
        ('["Bonn", 3]', False),
    ],
)
def test_json_that_is_not_as_its_schema_says_is_named(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    text: str,
    is_heeded: bool,
) -> None:
    schema = {
        "type": "object",
        "properties": {"town": {"type": "string"}, "size": {"type": "integer"}},
        "required": ["town", "size"],
    }
    asked = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    told = None if is_heeded else "response_format"
    upstream.on(model="m", reply=chat_json(credits=2, text=text))
    reply = customer.chat(live_gateway, "m", response_format=asked)
    assert (reply.status_code, reply.headers.get(IGNORED)) == (200, told)
    told = None if is_heeded else "text.format"
    said = {"format": {"type": "json_schema", "name": "n", "schema": schema}}
    body = {"model": "m", "input": "Hi", "text": said}
    reply = customer.http(live_gateway).post("/responses", json=body)
    assert (reply.status_code, reply.headers.get(IGNORED)) == (200, told)


def test_a_stream_says_it_at_its_end(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_stream(credits=2))
    for fields, name in ASKED:
        reply = customer.chat(live_gateway, "m", stream=True, **fields)
        assert f" {IGNORED}={name} " in reply.text.splitlines()[-3]


def test_what_was_heeded_is_not_named(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
    heeding: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (ASKED[0][0], {"message": {"content": '{"a": 1}'}}),
        (ASKED[2][0], {"message": {"content": None, "tool_calls": [call]}}),
        (ASKED[4][0], {"message": {"content": "a"}, "logprobs": {"content": []}}),
        # A text that was cut, or a refusal, shows nothing.
        (ASKED[0][0], {"message": {"content": '{"a'}, "finish_reason": "length"}),
        (ASKED[0][0], {"message": {"content": "", "refusal": "No."}}),
    ]
    for fields, choice in heeding:
        body = {"id": "c", "choices": [{"index": 0, **choice}], "usage": usage_of(1)}
        upstream.on(model="m", reply=json_reply(body, credits=1))
        assert IGNORED not in customer.chat(live_gateway, "m", **fields).headers


def test_the_sandbox_heeds_a_schema(
    gateway: GatewayFactory, sandbox: Sandbox, customer: Customer
) -> None:
    own = gateway(UPSTREAM_BASE_URL=sandbox.base_url, UPSTREAM_API_KEY=KEY)
    reply = customer.chat(own, "openai/gpt-4o", response_format=FORM)
    assert IGNORED not in reply.headers
    reply = customer.chat(own, "openai/gpt-4o", logprobs=True)
    assert reply.headers[IGNORED] == "logprobs"


def test_a_response_names_its_own_parameters(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(credits=2, text="Hello {"))
    text = {"format": {"type": "json_object"}}
    body = {"model": "m", "input": "Hi", "text": text}
    reply = customer.http(live_gateway).post("/responses", json=body)
    assert reply.headers[IGNORED] == "text.format"


def test_what_the_operator_says_is_lacking_is_refused_free(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    own = gateway(UPSTREAM_LACKS="response_format, tool_choice,logprobs,n,stop")
    more: list[tuple[dict[str, Any], str]] = [({"n": 2}, "n"), ({"stop": "x"}, "stop")]
    for fields, name in (*ASKED[:5], *more):
        reply = customer.chat(own, "m", **fields)
        assert_refusal(reply, 400, "unsupported_parameter")
        assert reply.json()["error"]["param"] == name
    text = {"format": {"type": "json_object"}}
    body = {"model": "m", "input": "Hi", "text": text}
    reply = customer.http(own).post("/responses", json=body)
    assert reply.json()["error"]["param"] == "text.format"
    assert reply.json()["error"]["message"].startswith("text.format: ")
    assert_nothing_happened(customer, upstream)
    assert customer.chat(own, "m", n=1, **ASKS_NOTHING).status_code == 200


def test_a_word_that_is_no_parameter_does_not_start(gateway: GatewayFactory) -> None:
    with pytest.raises(AssertionError, match="UPSTREAM_LACKS is 'toast'"):
        gateway(UPSTREAM_LACKS="toast")
