"""A stream was asked for, and the upstream gives less: a whole answer, or no usage."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    DONE,
    ScriptedReply,
    Upstream,
    chat_chunk,
    chat_stream,
    json_reply,
    sse,
    stream_reply,
    usage_of,
)

pytestmark = pytest.mark.once

TOOL_CALLS = [
    {"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}}
    for name in ("look", "leap")
]
LOGPROBS = {"content": [{"token": "Ah", "logprob": -0.5, "bytes": None}]}


def whole(**choice: Any) -> ScriptedReply:
    """The upstream's answer in one piece."""
    document = {"id": "c", "created": 1, "model": "m", "choices": [choice]}
    return json_reply({**document, "usage": {"credits_used": 4}}, credits=4)


def test_a_whole_answers_calls_of_tools_can_be_put_together_again(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": TOOL_CALLS}
    upstream.on(model="m", reply=whole(message=message, finish_reason="tool_calls"))
    completions = customer.openai(live_gateway).chat.completions
    with completions.stream(model="m", messages=SAY_HI) as stream:
        answer = stream.get_final_completion()

    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert [call.id for call in calls] == ["look", "leap"]
    assert customer.charged_credits() == 4


def test_a_whole_answers_log_probabilities_are_not_lost(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    message = {"role": "assistant", "content": "Ah"}
    upstream.on(model="m", reply=whole(message=message, logprobs=LOGPROBS))
    reply = customer.chat(live_gateway, "m", stream=True, logprobs=True)

    chunk, done, _ = reply.text.split("\n\n")
    assert done == "data: [DONE]"
    [choice] = json.loads(chunk.removeprefix("data: "))["choices"]
    assert (choice["delta"], choice["logprobs"]) == (message, LOGPROBS)


def test_usage_comes_when_asked_for_though_the_upstream_says_none(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_stream(usage_position=None))
    chunks = customer.openai(live_gateway).chat.completions.create(
        model="m",
        messages=SAY_HI,
        stream=True,
        stream_options={"include_usage": True},
    )
    *first, last = chunks

    [record] = customer.records()
    assert (record.basis, last.choices, last.id) == ("estimated", [], first[0].id)
    assert last.usage is not None
    # Those that were charged: clients read none as zero, or count by themselves.
    assert last.usage.prompt_tokens == record.prompt_tokens
    assert last.usage.completion_tokens == record.completion_tokens == 3
    assert last.usage.total_tokens == last.usage.prompt_tokens + 3
    assert last.usage.model_extra == {"credits_used": customer.charged_credits()}


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize(
    "chunk",
    [{"id": "c"}, {"id": "c", "choices": None}, {"object": "usage"}, {}],
    ids=repr,
)
def test_a_usage_chunk_without_choices_is_one_with_none(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    chunk: dict[str, Any],
    asks: bool,
) -> None:
    events = [chat_chunk("a"), sse({**chunk, "usage": usage_of(4)}), DONE]
    upstream.on(model="m", reply=stream_reply(events, credits=4))
    options = {"stream_options": {"include_usage": True}} if asks else {}
    reply = customer.chat(live_gateway, "m", stream=True, **options)

    first, *own, _end, rest = reply.text.split("\n\n")
    assert (first + "\n\n", rest) == (events[0].decode(), "")
    shown = [json.loads(block.removeprefix("data: ")) for block in own]
    assert [(each["choices"], each["usage"]) for each in shown] == (
        [([], usage_of(4))] if asks else []
    )
    # The SDKs' types promise these of every chunk.
    assert all({"id", "created", "model"} <= each.keys() for each in shown)
    assert customer.charged_credits() == 4


def test_an_error_with_a_price_is_not_held_back(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    error = sse({"error": {"message": "no", "code": "c"}, "usage": usage_of(4)})
    events = [chat_chunk("a"), error, DONE]
    upstream.on(model="m", reply=stream_reply(events, credits=4))

    content = customer.chat(live_gateway, "m", stream=True).content
    assert content.startswith(b"".join(events[:2]))


def test_a_whole_answer_without_choices_is_no_chunk(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    document = {"id": "c", "choices": [], "usage": {"credits_used": 4}}
    upstream.on(model="m", reply=json_reply(document, credits=4))

    assert customer.chat(live_gateway, "m", stream=True).content == DONE
