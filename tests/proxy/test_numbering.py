"""Clients collect a stream's pieces by number: where there is none, one is given."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.calls.numbering import Numbering
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    DONE,
    Upstream,
    chat_chunk,
    json_reply,
    sse,
    stream_reply,
)

pytestmark = pytest.mark.once


def call(arguments: str, **fields: Any) -> dict[str, Any]:
    name = fields.pop("name", None)
    function = {"arguments": arguments, **({"name": name} if name else {})}
    return {"function": function, **fields}


def delta(*calls: dict[str, Any], **choice: Any) -> bytes:
    return chat_chunk(choices=[{"delta": {"tool_calls": [*calls]}, **choice}])


def test_the_sdk_puts_calls_without_numbers_together(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    events = [
        delta(call("", id="1", type="function", name="look"), index=0),
        delta(call('{"at":'), index=0),
        delta(call(' "it"}', index=None, id=""), index=0),
        delta(call("{", id="2", type="function", name="look"), index=0),
        delta(call("}", id=None), index=0),
        chat_chunk(finish_reason="tool_calls"),
    ]
    upstream.on(model="m", reply=stream_reply([*events, DONE]))
    completions = customer.openai(live_gateway).chat.completions
    with completions.stream(model="m", messages=SAY_HI) as stream:
        message = stream.get_final_completion().choices[0].message

    found = [(each.id, each.function.arguments) for each in message.tool_calls or ()]
    assert found == [("1", '{"at": "it"}'), ("2", "{}")]


def test_what_is_numbered_is_not_touched(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    odd = b'data: {"choices": [{"index":0,  "delta":{"tool_calls":[{"index": 0}]}}]}'
    events = [odd + b"\n\n", b'data: {"choices" : [ ]}\n\n', sse(b'{"choices": 7}')]
    upstream.on(model="m", reply=stream_reply([*events, DONE]))

    content = customer.chat(live_gateway, "m", stream=True).content
    assert content.startswith(b"".join(events))


@pytest.mark.parametrize("stream", [True, False])
def test_choices_of_a_whole_answer_are_numbered(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, stream: bool
) -> None:
    message = {"role": "assistant", "tool_calls": [call("", id="1", index=None)]}
    choices = [{"index": None, "message": message}, {"message": message}]
    document = {"id": "c", "choices": choices, "usage": {"credits_used": 4}}
    upstream.on(model="m", reply=json_reply(document, credits=4))
    text = customer.chat(live_gateway, "m", stream=stream).text

    shown = json.loads(text.split("\n\n")[0].removeprefix("data: "))["choices"]
    assert [choice["index"] for choice in shown] == [0, 1]
    if stream:
        assert shown[1]["delta"]["tool_calls"][0]["index"] == 0


def numbers(*chunks: list[dict[str, Any]], at: int = 0) -> list[list[int]]:
    numbering, found = Numbering(), []
    for calls in chunks:
        choice = {"index": at, "delta": {"tool_calls": calls}}
        numbering.complete({"choices": [choice]})
        found.append([each["index"] for each in calls])
    return found


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        # Whole calls without ids are told apart by naming a tool.
        ([[call("{}", name="a"), call("{}", name="a")]], [[0, 1]]),
        ([[call("{}", name="a")], [call("{}", name="a")]], [[0], [1]]),
        # A piece that comes before any name begins the first call.
        ([[call("{")], [call("}")]], [[0], [0]]),
        # Numbers that are given count, wherever they are.
        (
            [[call("", id="x", index=4)], [call("")], [call("", id="y")]],
            [[4], [4], [5]],
        ),
        # An id that comes again is the call it named.
        ([[call("", id="x"), call("", id="y")], [call("", id="x")]], [[0, 1], [0]]),
        (
            [[call("", id="x")], [call("", index="0"), call("", index=-1)]],
            [[0], [0, 0]],
        ),
        ([[call("", index=True)]], [[0]]),
    ],
)
def test_each_piece_gets_the_number_of_its_call(
    chunks: list[list[dict[str, Any]]], expected: list[list[int]]
) -> None:
    assert numbers(*chunks) == expected


def test_each_choice_has_numbers_of_its_own() -> None:
    numbering = Numbering()
    calls = [[call("", id="x")], [call("", id="y")]]
    choices: list[Any] = [{"delta": {"tool_calls": each}} for each in calls]
    assert numbering.complete({"choices": [*choices, None, 7]})
    assert [choice["index"] for choice in choices] == [0, 1]
    assert [each[0]["index"] for each in calls] == [0, 0]
