"""Agents' loops: tools, what they were called with and what they said, to the token."""

from __future__ import annotations

import json
from typing import Any

import pytest

from billing.models import Tariff
from billing.values.orders import CREDIT
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.sandbox.server import KEY, Sandbox
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, chat_json, json_reply, usage_of

URL = "https://files.example.com/cat.png"
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather in a town. " * 20,
            "parameters": {
                "type": "object",
                "properties": {"town": {"type": "string"}},
                "required": ["town"],
            },
        },
    }
]
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"town": "Ghent"}'},
}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT: dict[str, Any] = {
    "role": "tool",
    "tool_call_id": "call_1",
    "content": "It rains. " * 50,
}


def test_the_sdk_goes_through_a_loop_of_tools(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    choice = {"index": 0, "message": CALLED, "finish_reason": "tool_calls"}
    first = {"id": "c", "choices": [choice], "usage": usage_of(4)}
    upstream.on(
        model="m",
        reply=[json_reply(first, credits=4), chat_json(text="Wet", credits=5)],
    )
    completions = customer.openai(live_gateway).chat.completions
    messages: list[Any] = [*SAY_HI]
    answer = completions.create(model="m", messages=messages, tools=TOOLS).choices[0]
    assert answer.finish_reason == "tool_calls"
    messages += [answer.message, RESULT]
    answer = completions.create(model="m", messages=messages, tools=TOOLS).choices[0]
    assert answer.message.content == "Wet"

    _, entry = upstream.journal
    asked, called, result = entry.body["messages"]
    assert (asked, result, entry.body["tools"]) == (SAY_HI[0], RESULT, TOOLS)
    # The contract's content is a text; nothing else of the message is touched.
    assert (called["content"], called["tool_calls"]) == ("", [CALL])
    assert customer.charged_credits() == upstream.total_credits() == 9


def test_every_byte_of_tools_and_their_results_is_held(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    part = {"type": "image_url", "image_url": {"url": URL}}
    shown = {**RESULT, "content": [{"type": "text", "text": "see"}, part]}
    messages = [*SAY_HI, CALLED, RESULT, shown]
    customer.chat(live_gateway, "m", messages=messages, tools=TOOLS, max_tokens=100)

    [entry], [hold] = upstream.journal, customer.holds()
    rates = Tariff.objects.get(operation="chat.completions", model="*")
    exact = (
        rates.base_micros
        + (len(entry.raw_body) - len(URL) + 4 * 16) * rates.prompt_token_micros
        + 100 * rates.completion_token_micros
        + rates.image_micros
    )
    assert len(entry.raw_body) > len(json.dumps([TOOLS, CALL, RESULT]))
    assert hold.amount_micros == -(-exact // CREDIT) * CREDIT


@pytest.mark.once
@pytest.mark.parametrize(
    "message",
    [
        RESULT,
        {"role": "tool", "tool_call_id": "1", "content": None},
        {"role": "tool", "content": [{"type": "text", "text": "a"}], "more": 1.5},
        {"role": "function", "name": "weather", "content": "rain"},
        {"role": "function", "name": "weather"},
    ],
)
def test_results_go_on_as_they_are(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    message: dict[str, Any],
) -> None:
    assert customer.chat(live_gateway, messages=[message]).status_code == 200

    [entry] = upstream.journal
    assert entry.body["messages"] == [message]


@pytest.mark.once
@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"content": [{"type": "input_audio"}]}, "content.0", "unsupported_content"),
        (
            {"content": [{"type": "image_url", "image_url": "file:///a"}]},
            "content.0",
            "invalid_request",
        ),
        ({"images": ["file:///a"]}, "images.0", "invalid_request"),
        ({"images": 7}, "images", "invalid_request"),
    ],
)
def test_what_in_a_result_has_no_bound_is_refused(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    fields: dict[str, Any],
    param: str,
    code: str,
) -> None:
    reply = customer.chat(live_gateway, messages=[{**RESULT, **fields}])

    assert_refusal(reply, 400, code)
    assert reply.json()["error"]["param"] == f"messages.0.{param}"
    assert_nothing_happened(customer, upstream)


def test_an_upstream_without_tools_refuses_them_at_turn_one(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    own = gateway(UPSTREAM_TOOLS="refuse")
    function = {"name": "weather"}
    asked: list[tuple[dict[str, Any], str]] = [
        ({"tools": TOOLS}, "tools"),
        ({"functions": [function]}, "functions"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"function_call": function}, "function_call"),
        ({"parallel_tool_calls": True}, "parallel_tool_calls"),
        ({"messages": [*SAY_HI, CALLED, RESULT]}, "messages.2.role"),
        ({"messages": [{**RESULT, "role": "function"}]}, "messages.0.role"),
    ]
    for fields, param in asked:
        reply = customer.chat(own, **fields)
        assert_refusal(reply, 400, "unsupported_parameter")
        assert reply.json()["error"]["param"] == param
    assert_nothing_happened(customer, upstream)
    assert customer.chat(own, tools=None).status_code == 200


@pytest.mark.once
def test_any_other_word_for_it_does_not_start(gateway: GatewayFactory) -> None:
    with pytest.raises(AssertionError, match="UPSTREAM_TOOLS is 'perhaps'"):
        gateway(UPSTREAM_TOOLS="perhaps")


@pytest.mark.parametrize("stream", [False, True])
def test_the_sandbox_goes_through_a_loop_of_tools(
    gateway: GatewayFactory, sandbox: Sandbox, customer: Customer, stream: bool
) -> None:
    own = gateway(UPSTREAM_BASE_URL=sandbox.base_url, UPSTREAM_API_KEY=KEY)
    completions = customer.openai(own).chat.completions
    messages: list[Any] = [*SAY_HI]
    options: dict[str, Any] = {"model": "openai/gpt-4o", "tools": TOOLS}

    def answer(**more: Any) -> Any:
        if not stream:
            return completions.create(messages=messages, **options, **more).choices[0]
        with completions.stream(messages=messages, **options, **more) as events:
            return events.get_final_completion().choices[0]

    called = answer(tool_choice="required")
    [call] = called.message.tool_calls
    assert (called.finish_reason, call.function.name) == ("tool_calls", "weather")
    assert json.loads(call.function.arguments) == {"town": "sandbox"}
    messages += [called.message, {**RESULT, "tool_call_id": call.id}]
    assert "Say hi." in answer().message.content
    entries = sandbox.journal()["entries"]
    assert customer.charged_credits() == sum(entry["credits"] for entry in entries)
    assert {record.basis for record in customer.records()} == {"upstream"}
