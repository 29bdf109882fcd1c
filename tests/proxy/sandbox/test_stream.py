"""Chat completions as server-sent events."""

from __future__ import annotations

from typing import Any

import orjson

from proxy.upstream import schemas
from tests.support.sandbox.server import SAY_HI, Sandbox


def events(sandbox: Sandbox, **fields: Any) -> list[Any]:
    reply = sandbox.chat(stream=True, **fields)
    assert reply.headers["content-type"] == "text/event-stream"
    *frames, last, rest = reply.text.split("\n\n")
    assert (last, rest) == ("data: [DONE]", "")
    chunks = [orjson.loads(frame.removeprefix("data: ")) for frame in frames]
    assert {chunk["id"] for chunk in chunks} == {reply.headers["x-request-id"]}
    return chunks


def test_a_stream_says_what_the_whole_reply_says(sandbox: Sandbox) -> None:
    whole = sandbox.chat().json()["choices"][0]
    first, *middle, last = events(sandbox)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    parts = [chunk["choices"][0]["delta"]["content"] for chunk in middle]
    assert len(parts) > 3
    assert "".join(parts) == whole["message"]["content"]
    assert last["choices"][0]["delta"] == {}
    assert last["choices"][0]["finish_reason"] == whole["finish_reason"]


def test_usage_comes_only_on_demand(sandbox: Sandbox) -> None:
    assert all("usage" not in chunk for chunk in events(sandbox))
    options = {"include_usage": True}
    *chunks, last = events(sandbox, stream_options=options)
    assert all(chunk["usage"] is None for chunk in chunks)
    assert last["choices"] == []
    assert last["usage"] == sandbox.chat().json()["usage"]
    schemas.validator("Usage").validate(last["usage"])


def test_a_stream_is_charged_whether_usage_is_asked_or_not(sandbox: Sandbox) -> None:
    chunk = events(sandbox)[0]
    [entry] = sandbox.entries(chunk["id"])
    assert entry["credits"] == sandbox.chat().json()["usage"]["credits_used"]
    assert (entry["stream"], entry["cut"]) == (True, False)


def test_the_charge_is_in_the_journal_before_the_end_is_sent(
    slow_sandbox: Sandbox,
) -> None:
    with slow_sandbox.openai() as client:
        stream = client.chat.completions.create(
            model="openai/gpt-4o", messages=SAY_HI, max_tokens=8, stream=True
        )
        for chunk in stream:
            if chunk.choices[0].finish_reason:
                assert len(slow_sandbox.entries(chunk.id)) == 1


def test_choices_stream_side_by_side(sandbox: Sandbox) -> None:
    chunks = events(sandbox, n=2, stream_options={"include_usage": True})
    texts = ["", ""]
    for chunk in chunks[:-1]:
        choice = chunk["choices"][0]
        texts[choice["index"]] += choice["delta"].get("content", "")
    whole = sandbox.chat(n=2).json()
    assert texts == [choice["message"]["content"] for choice in whole["choices"]]
    assert chunks[-1]["usage"] == whole["usage"]


def test_the_openai_sdk_reads_the_stream(sandbox: Sandbox) -> None:
    with sandbox.openai() as client:
        stream = client.chat.completions.create(
            model="openai/gpt-4o-mini",
            messages=SAY_HI,
            stream=True,
            stream_options={"include_usage": True},
        )
        *_, last = stream
    assert last.usage is not None
    assert last.usage.model_extra is not None
    assert last.usage.model_extra["credits_used"] >= 1
