"""A client that leaves in the middle pays for what was generated, once."""

from __future__ import annotations

import time

import pytest

from proxy.sandbox import prices, tokens
from tests.support.sandbox.server import SAY_HI, Sandbox, wait_until


def leave_after(sandbox: Sandbox, chunks: int) -> tuple[str, str]:
    """Open a stream, read so many chunks, hang up; the call's id and the text."""
    with sandbox.openai() as client:
        stream = client.chat.completions.create(
            model="openai/gpt-4o", messages=SAY_HI, stream=True
        )
        text = ""
        for _ in range(chunks):
            chunk = next(stream)
            text += chunk.choices[0].delta.content or ""
        stream.close()
    return chunk.id, text


@pytest.mark.parametrize("chunks", [1, 4])
def test_a_cut_stream_is_charged_once(slow_sandbox: Sandbox, chunks: int) -> None:
    whole = slow_sandbox.chat(model="openai/gpt-4o").json()["usage"]
    call_id, text = leave_after(slow_sandbox, chunks)
    wait_until(lambda: bool(slow_sandbox.entries(call_id)))
    time.sleep(0.3)  # long enough for a second entry to show itself
    [entry] = slow_sandbox.entries(call_id)
    assert entry["cut"] is True
    assert entry["prompt_tokens"] == whole["prompt_tokens"]
    assert entry["completion_tokens"] < whole["completion_tokens"]
    # What was on its way when we hung up is in it, too.
    assert tokens.count(text) <= entry["completion_tokens"]
    breakdown = prices.chat(
        "standard",
        prompt=entry["prompt_tokens"],
        completion=entry["completion_tokens"],
        images=0,
        web_search=False,
    )
    assert entry["credits"] == sum(breakdown.values())
