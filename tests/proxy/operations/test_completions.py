"""OpenAI's older completions: one prompt becomes a chat, and its answer a text."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, chat_json, chat_stream


def test_the_sdk_gets_a_text_and_pays_what_the_upstream_charged(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(credits=7, text="Ahoy"))
    completions = customer.openai(live_gateway).completions
    answer = completions.create(model="m", prompt=["Say hi."], stop="\n")

    [entry] = upstream.journal
    [choice] = answer.choices
    assert entry.body == {
        "model": "m",
        "messages": [{"role": "user", "content": "Say hi."}],
        "max_tokens": 16,
        "stop": "\n",
    }
    assert (answer.object, choice.text, choice.finish_reason) == (
        "text_completion",
        "Ahoy",
        "stop",
    )
    assert answer.usage is not None
    assert answer.usage.total_tokens == 21
    assert customer.charged_credits() == upstream.total_credits() == 7


@pytest.mark.parametrize("wants_usage", [False, True])
def test_the_sdk_reads_a_stream_of_texts(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, wants_usage: bool
) -> None:
    upstream.on(model="m", reply=chat_stream(credits=5))
    options: Any = {"stream_options": {"include_usage": True}} if wants_usage else {}
    completions = customer.openai(live_gateway).completions
    stream = completions.create(model="m", prompt="Hi", stream=True, **options)

    chunks = list(stream)
    texts = [choice.text for chunk in chunks for choice in chunk.choices]
    assert "".join(texts) == "Hello world"
    assert {chunk.object for chunk in chunks} == {"text_completion"}
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert [usage.total_tokens for usage in usages] == [21] * wants_usage
    assert customer.charged_credits() == 5


@pytest.mark.once
def test_a_stream_that_is_cut_raises(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_stream(credits=5).cut_after_events(1))
    completions = customer.openai(live_gateway).completions
    stream = completions.create(model="m", prompt="Hi", stream=True)
    with pytest.raises(openai.APIError, match="broke off"):
        list(stream)


@pytest.mark.once
def test_what_a_chat_cannot_do_is_refused_by_name_and_free(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    asked: list[dict[str, Any]] = [
        {"prompt": ["a", "b"]},
        {"prompt": [1, 2]},
        {"prompt": ""},
        {"echo": True},
        {"suffix": "x"},
        {"best_of": 2},
        {"logprobs": 3},
        {"messages": []},
        {"num_images": 3},
    ]
    for fields in asked:
        body = {"model": "m", "prompt": "Hi", **fields}
        reply = customer.http(live_gateway).post("/completions", json=body)
        assert_refusal(reply, 400, reply.json()["error"]["code"])
        assert reply.json()["error"]["param"] == next(iter(fields))
    assert_nothing_happened(customer, upstream)
