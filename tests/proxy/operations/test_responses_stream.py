"""A response as a stream: its events, their numbers, their order, and its end."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from billing.values.orders import CREDIT
from tests.support.gateway.customers import Customer
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    ScriptedReply,
    Upstream,
    chat_json,
    chat_stream,
    sse,
    stream_reply,
    usage_of,
)


def chunk(delta: dict[str, Any], **fields: Any) -> bytes:
    """One event of a chat's stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": None, **fields}
    return sse({"id": "c", "model": "m", "choices": [choice]})


def usage_chunk(credits: int) -> bytes:
    return sse({"id": "c", "choices": [], "usage": usage_of(credits)})


def told(customer: Customer, gateway: Gateway, **fields: Any) -> list[dict[str, Any]]:
    """The events of a streamed response."""
    body = {"model": "m", "input": "Say hi.", "stream": True, **fields}
    reply = customer.http(gateway).post("/responses", json=body)
    assert reply.headers["content-type"] == "text/event-stream"
    assert b"[DONE]" not in reply.content
    events = []
    for block in reply.text.removesuffix("\n\n").split("\n\n"):
        lines = [line for line in block.split("\n") if not line.startswith(":")]
        named, data = lines
        events.append(json.loads(data.removeprefix("data: ")))
        assert named == f"event: {events[-1]['type']}"
    assert [event["sequence_number"] for event in events] == [*range(len(events))]
    return events


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


TEXT = [
    *("created", "in_progress", "output_item.added", "content_part.added"),
    *("output_text.delta", "output_text.delta", "output_text.done"),
    *("content_part.done", "output_item.done", "completed"),
]


def test_a_text_is_told_in_openais_order(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_stream(credits=5))
    events = told(customer, live_gateway)

    assert kinds(events) == TEXT
    deltas = [each for each in events if each["type"].endswith("text.delta")]
    assert [each["delta"] for each in deltas] == ["Hello", " world"]
    added, done = events[2]["item"], events[8]["item"]
    assert (added["content"], added["status"]) == ([], "in_progress")
    assert done["content"][0]["text"] == "Hello world"
    assert {each["item_id"] for each in deltas} == {added["id"]} == {done["id"]}
    first, last = events[0]["response"], events[-1]["response"]
    assert (first["status"], first["output"], first["usage"]) == (
        "in_progress",
        [],
        None,
    )
    assert (last["status"], last["output"]) == ("completed", [done])
    assert last["id"] == first["id"] == f"resp_{customer.holds()[0].id.hex}"
    assert last["usage"]["credits_used"] == 5
    assert last["usage"]["total_tokens"] == 21
    assert customer.charged_credits() == upstream.total_credits() == 5


def test_the_sdk_reads_calls_of_tools_that_come_in_pieces(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    def piece(index: int, text: str, **more: Any) -> dict[str, Any]:
        return {
            "index": index,
            "function": {"arguments": text, **more.pop("f", {})},
        } | more

    events = [
        chunk({"role": "assistant", "reasoning_content": "Hm"}),
        chunk({"content": "Wait"}),
        chunk({"tool_calls": [piece(0, "", id="a", f={"name": "f"})]}),
        chunk({"tool_calls": [piece(1, '{"x"', id="b", f={"name": "g"})]}),
        chunk({"tool_calls": [piece(0, "{}"), piece(1, ":1}")]}),
        chunk({}, finish_reason="tool_calls"),
        usage_chunk(6),
        sse(b"[DONE]"),
    ]
    upstream.on(model="m", reply=stream_reply(events, credits=6))
    with customer.openai(live_gateway).responses.stream(
        model="m", input="Hi"
    ) as stream:
        seen = [event.type for event in stream]
        response = stream.get_final_response()

    thought, said, first, second = response.output
    assert thought.type == "reasoning"
    assert said.type == "message"
    assert first.type == second.type == "function_call"
    assert [first.arguments, second.arguments] == ["{}", '{"x":1}']
    assert [first.call_id, second.call_id] == ["a", "b"]
    assert seen.count("response.output_item.added") == 4
    assert seen.count("response.output_item.done") == 4
    assert seen.count("response.function_call_arguments.done") == 2
    assert seen.index("response.output_text.done") < seen.index(
        "response.function_call_arguments.delta"
    )
    assert customer.charged_credits() == 6


def test_a_stream_and_a_whole_answer_are_the_same_response(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    """Also where the upstream answers a stream in one piece."""
    whole = chat_json(text="Hello world", credits=5)
    upstream.on(
        model="m",
        reply=[
            whole,
            whole,
            chat_stream(),
        ],
    )
    body = {"model": "m", "input": "Say hi."}
    plain = customer.http(live_gateway).post("/responses", json=body).json()
    at_once = told(customer, live_gateway)
    streamed = told(customer, live_gateway)[-1]["response"]

    assert kinds(at_once) == [kind for n, kind in enumerate(TEXT) if n != 4]
    for each in (plain, at_once[-1]["response"], streamed):
        own = each.pop("id").removeprefix("resp_")
        for name in ("created_at", "completed_at"):
            each.pop(name)
        each["output"][0]["id"] = each["output"][0]["id"].replace(own, "")
        each["usage"].pop("credits_used")
    assert plain == at_once[-1]["response"] == streamed


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (
            chat_stream(credits=5).cut_after_events(2),
            "ambiguous",
        ),
        (
            stream_reply(
                [chunk({"content": "Hel"}), sse({"error": {"message": "no"}})],
                credits=5,
            ),
            "upstream_error",
        ),
    ],
)
def test_a_stream_that_breaks_off_fails(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    reply: ScriptedReply,
    code: str,
) -> None:
    upstream.on(model="m", reply=reply)
    events = told(customer, live_gateway)
    responses = customer.openai(live_gateway).responses
    with pytest.raises(openai.APIError) as raised:
        list(responses.create(model="m", input="Hi", stream=True))

    assert kinds(events)[-2:] == ["failed", "error"]
    failed, error = events[-2:]
    assert failed["response"]["status"] == "failed"
    assert code in error["code"]
    assert error["error"]["message"] == error["message"]
    assert code in str(raised.value.code)
    holds = customer.wait_over(2)
    assert {hold.state for hold in holds} == {"settled"}


def test_a_price_factor_scales_what_the_last_event_says(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    customer.set_price_factor(2_000_000)
    upstream.on(model="m", reply=chat_stream(pieces=("Hello",), credits=5))

    usage = told(customer, live_gateway)[-1]["response"]["usage"]
    [record] = customer.records()
    assert usage["credits_used"] == 10 == record.charged_micros // CREDIT
