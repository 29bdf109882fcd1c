"""OpenAI's responses: made of chats, read by the SDK, charged as the upstream says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.gateway.customers import Customer
from tests.support.sandbox.server import KEY, Sandbox
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    Upstream,
    chat_json,
    json_reply,
    usage_of,
)

PICTURE = "data:image/png;base64,aGk="
TOOL: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"town": {"type": "string"}}},
    "strict": True,
}
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"town": "Ghent"}'},
}

SCHEMA: Any = {"type": "object", "properties": {}}
ASKED: dict[str, Any] = {
    "input": [
        {"role": "developer", "content": "Rules"},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look"},
                {"type": "input_image", "image_url": PICTURE, "detail": "auto"},
            ],
        },
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "A cat", "annotations": []}],
        },
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "b", "name": "g", "input": "x"},
        {"type": "function_call_output", "call_id": "a", "output": "wet"},
        {
            "type": "custom_tool_call_output",
            "call_id": "b",
            "output": [{"type": "input_text", "text": "dry"}],
        },
    ],
    "tools": [TOOL, {"type": "custom", "name": "g"}],
    "tool_choice": {"type": "function", "name": "weather"},
    "parallel_tool_calls": False,
    "temperature": 0.5,
    "max_output_tokens": 77,
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {
        "format": {"type": "json_schema", "name": "n", "schema": SCHEMA},
        "verbosity": "low",
    },
    "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
    "top_logprobs": 2,
    "store": True,
    "service_tier": "flex",
    "truncation": "auto",
    "metadata": {"a": "b"},
    "prompt_cache_key": "k",
    "user": "u",
}
FUNCTION = {name: TOOL[name] for name in ("name", "parameters", "strict")}
CALLS: Any = [
    {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    {"id": "b", "type": "custom", "custom": {"name": "g", "input": "x"}},
]
FORWARDED = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Rules"},
        {"role": "user", "content": "Look", "images": [PICTURE]},
        {"role": "assistant", "content": "A cat", "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "a", "content": "wet"},
        {
            "role": "tool",
            "tool_call_id": "b",
            "content": [{"type": "text", "text": "dry"}],
        },
    ],
    "tools": [
        {"type": "function", "function": FUNCTION},
        {"type": "custom", "custom": {"name": "g"}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "weather"}},
    "parallel_tool_calls": False,
    "temperature": 0.5,
    "max_tokens": 77,
    "reasoning_effort": "low",
    "verbosity": "low",
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": SCHEMA},
    },
    "logprobs": True,
    "top_logprobs": 2,
}


def respond(customer: Customer, gateway: Gateway, **fields: Any) -> Any:
    """One response over plain HTTP."""
    body = {"model": "m", "input": "Say hi.", **fields}
    return customer.http(gateway).post("/responses", json=body)


def chat_of(message: dict[str, Any], **fields: Any) -> Any:
    """A chat whose answer is this message."""
    choice = {"index": 0, "finish_reason": "stop", **fields, "message": message}
    body = {"id": "c", "model": "m", "choices": [choice], "usage": usage_of(4)}
    return json_reply(body, credits=4)


def test_the_sdk_gets_a_response_and_pays_what_the_upstream_charged(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(credits=7, text="Ahoy"))
    raw = customer.openai(live_gateway).responses.with_raw_response
    reply = raw.create(model="m", input="Say hi.", instructions="Be short.")
    response = reply.parse()

    [entry], [hold], [record] = upstream.journal, customer.holds(), customer.records()
    assert entry.path.endswith("/chat/completions")
    assert response.output_text == "Ahoy"
    assert entry.body["messages"] == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Say hi."},
    ]
    assert (response.id, response.status) == (f"resp_{hold.id.hex}", "completed")
    assert reply.headers["x-request-id"] == f"req_{hold.id.hex}"
    usage = response.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (9, 12, 21)
    assert usage.output_tokens_details.reasoning_tokens == 0
    assert usage.model_extra == {"credits_used": 7}
    assert record.operation == "chat.completions"
    assert customer.charged_credits() == upstream.total_credits() == 7


def test_all_that_a_request_says_reaches_the_upstream(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json())
    reply = respond(customer, live_gateway, **ASKED)

    assert reply.status_code == 200, reply.text
    [entry] = upstream.journal
    assert entry.body == FORWARDED
    assert reply.json()["metadata"] == {"a": "b"}
    assert reply.headers["x-ignored-parameters"] == (
        "store, service_tier, truncation, include, reasoning.summary, "
        # What the upstream's answer shows that it did not heed.
        "text.format, tool_choice, top_logprobs"
    )


@pytest.mark.once
def test_what_the_assistant_did_becomes_items(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "https://a.example"}}
    message = {
        "content": "Wait",
        "reasoning_content": "Hm",
        "annotations": [cited],
        "tool_calls": [CALL, {"function": {"name": "g", "arguments": "{}"}}],
    }
    upstream.on(model="m", reply=chat_of(message, finish_reason="tool_calls"))
    body = respond(customer, live_gateway, tools=[TOOL]).json()

    thought, said, first, second = body["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "Hm"}]
    [part] = said["content"]
    assert part["text"] == "Wait"
    assert part["annotations"] == [{"type": "url_citation", "url": "https://a.example"}]
    assert (first["type"], first["call_id"]) == ("function_call", "call_1")
    assert first["arguments"] == '{"town": "Ghent"}'
    assert (second["name"], second["call_id"]) == ("g", f"call_{second['id'][3:]}")
    assert {item["id"].split("_")[0] for item in (said, first)} == {"msg", "fc"}
    assert len({item["id"] for item in body["output"]}) == 4


@pytest.mark.once
@pytest.mark.parametrize(
    ("message", "why", "status", "part"),
    [
        ({"content": "Half"}, "length", "incomplete", "output_text"),
        ({"content": "", "refusal": "No."}, "stop", "completed", "refusal"),
    ],
)
def test_an_answer_that_ends_early_says_so(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    message: dict[str, Any],
    why: str,
    status: str,
    part: str,
) -> None:
    upstream.on(model="m", reply=chat_of(message, finish_reason=why))
    body = respond(customer, live_gateway).json()

    [item] = body["output"]
    assert (body["status"], item["status"]) == (status, status)
    assert item["content"][0]["type"] == part
    details = {"reason": "max_output_tokens"} if status == "incomplete" else None
    assert body["incomplete_details"] == details


@pytest.mark.once
def test_a_quote_says_what_a_response_would_hold(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    asked = {"model": "m", "input": "Say hi.", "max_output_tokens": 50}
    body = {"operation": "responses", "request": asked}
    quote = customer.http(live_gateway).post("/quote", json=body).json()
    reply = respond(customer, live_gateway, max_output_tokens=50)

    assert f"{quote['hold']}" == reply.headers["x-credits-held"]
    assert quote["max_tokens"] > 50


@pytest.mark.parametrize("stream", [False, True])
def test_the_sandbox_goes_through_a_loop_of_tools(
    gateway: GatewayFactory, sandbox: Sandbox, customer: Customer, stream: bool
) -> None:
    own = gateway(UPSTREAM_BASE_URL=sandbox.base_url, UPSTREAM_API_KEY=KEY)
    responses = customer.openai(own).responses
    items: list[Any] = [{"role": "user", "content": "Say hi."}]
    options: dict[str, Any] = {"model": "openai/gpt-4o", "tools": [TOOL]}

    def answer(**more: Any) -> Any:
        if not stream:
            return responses.create(input=items, **options, **more)
        with responses.stream(input=items, **options, **more) as events:
            return events.get_final_response()

    called = answer(tool_choice="required")
    [call] = called.output
    assert (call.type, call.name) == ("function_call", "weather")
    items += [call.model_dump(exclude={"parsed_arguments"})]
    items += [{"type": "function_call_output", "call_id": call.call_id, "output": "w"}]
    assert "Say hi." in answer().output_text
    entries = sandbox.journal()["entries"]
    assert customer.charged_credits() == sum(entry["credits"] for entry in entries)
    assert {record.basis for record in customer.records()} == {"upstream"}
