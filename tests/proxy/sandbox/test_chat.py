"""Chat completions that come at once."""

from __future__ import annotations

import pytest

from proxy.upstream import schemas
from tests.support.sandbox.server import SAY_HI, Sandbox


def test_the_reply_keeps_the_contract(sandbox: Sandbox) -> None:
    reply = sandbox.chat()
    assert reply.status_code == 200
    schemas.validator("ChatCompletionResponse").validate(reply.json())
    assert reply.json()["model"] == "openai/gpt-4o-mini"
    assert reply.json()["model_tier"] == "fast"
    assert reply.headers["x-request-id"] == reply.json()["id"]


def test_the_openai_sdk_reads_the_reply(sandbox: Sandbox) -> None:
    with sandbox.openai() as client:
        reply = client.chat.completions.create(
            model="openai/gpt-4o", messages=[{"role": "user", "content": "Why tides?"}]
        )
    assert "Why tides?" in (reply.choices[0].message.content or "")
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    tokens = reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply.usage.total_tokens == tokens


def test_the_same_prompt_gets_the_same_answer(sandbox: Sandbox) -> None:
    first, second = sandbox.chat().json(), sandbox.chat().json()
    assert first["choices"] == second["choices"]
    assert first["usage"] == second["usage"]
    assert first["id"] != second["id"]


def test_the_charge_is_the_breakdown_and_the_journal_entry(sandbox: Sandbox) -> None:
    images = ["https://example.org/a.png", "https://example.org/b.png"]
    messages = [{"role": "user", "content": "What is this?", "images": images}]
    reply = sandbox.chat(
        messages=messages, model="anthropic/claude-3.5-sonnet", web_search=True
    ).json()
    usage = reply["usage"]
    breakdown = usage["credits_breakdown"]
    assert breakdown["web_search"] == 5
    assert breakdown["images"] == 4
    assert sum(breakdown.values()) == usage["credits_used"]
    [entry] = sandbox.entries(reply["id"])
    assert entry["credits"] == usage["credits_used"]
    assert entry["prompt_tokens"] == usage["prompt_tokens"]
    assert entry["completion_tokens"] == usage["completion_tokens"]
    assert (entry["stream"], entry["cut"]) == (False, False)


def test_max_tokens_cuts_the_answer(sandbox: Sandbox) -> None:
    reply = sandbox.chat(max_tokens=7).json()
    assert reply["usage"]["completion_tokens"] == 7
    assert reply["choices"][0]["finish_reason"] == "length"


def test_every_choice_is_counted(sandbox: Sandbox) -> None:
    reply = sandbox.chat(n=3, max_tokens=9).json()
    assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2]
    assert reply["usage"]["completion_tokens"] == 27
    texts = {choice["message"]["content"] for choice in reply["choices"]}
    assert len(texts) > 1


@pytest.mark.parametrize(
    "extra",
    [
        {"stop": ["\n"]},
        {"stream_options": {"include_usage": True}},
        {"user": "u1", "seed": 7, "n": None},
        {"max_tokens": 5.0},
    ],
)
def test_fields_the_contract_does_not_name_are_accepted(
    sandbox: Sandbox, extra: dict[str, object]
) -> None:
    assert sandbox.chat(**extra).status_code == 200


def test_no_prompt_reaches_the_journal(sandbox: Sandbox) -> None:
    sandbox.chat()
    assert "harbour" in str(SAY_HI)
    assert "harbour" not in str(sandbox.journal())
