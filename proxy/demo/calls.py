"""The calls that the demonstration makes, as a developer with a key would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import openai
from openai import OpenAI

MODEL = "openai/gpt-4o-mini"
EXPENSIVE_MODEL = "anthropic/claude-3.5-sonnet"
EMBEDDING_MODEL = "text-embedding-3-small"
QUESTION = "In two sentences: why does a ledger have two entries for everything?"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the demonstration's table; credits as the reply had them."""

    call: str
    outcome: str
    held: str = "—"
    charged: str = "—"
    remaining: str = "—"


def plain(client: OpenAI) -> Line:
    """A chat completion."""
    reply = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=[{"role": "user", "content": QUESTION}]
    )
    tokens = reply.parse().usage
    used = f"{tokens.total_tokens} tokens" if tokens else ""
    return _line("chat completion", f"200, {used}", dict(reply.headers))


def streamed(client: OpenAI) -> Line:
    """The same, streamed."""
    with client.chat.completions.with_streaming_response.create(
        model=MODEL,
        messages=[{"role": "user", "content": QUESTION}],
        stream=True,
        stream_options={"include_usage": True},
    ) as reply:
        lines = list(reply.iter_lines())
        headers = dict(reply.headers)
    events = sum(line.startswith("data: {") for line in lines)
    # A stream's headers leave before its charge is known: it ends with a comment.
    closing = next(line for line in lines if line.startswith(": x-request-id="))
    said = dict(word.split("=", 1) for word in closing[2:].split())
    return _line("chat, streamed", f"200, {events} events", headers | said)


def embeddings(client: OpenAI) -> Line:
    """Two embeddings: the upstream names no credits, the tariff prices them."""
    reply = client.embeddings.with_raw_response.create(
        model=EMBEDDING_MODEL, input=["double entry", "prepaid credits"]
    )
    vectors = reply.parse().data
    said = f"200, {len(vectors)} × {len(vectors[0].embedding)} floats"
    return _line("embeddings", said, dict(reply.headers))


def too_dear(client: OpenAI) -> Line:
    """A call that could cost more than there is."""
    return _refused(
        "more than there is",
        lambda: client.chat.completions.create(
            model=EXPENSIVE_MODEL,
            max_tokens=100_000,
            messages=[{"role": "user", "content": QUESTION}],
        ),
    )


def with_revoked_key(client: OpenAI) -> Line:
    """Any call, with a key that was revoked a moment ago."""
    return _refused(
        "with a revoked key",
        lambda: client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": QUESTION}]
        ),
    )


def _refused(call: str, attempt: Callable[[], object]) -> Line:
    try:
        attempt()
    except openai.APIStatusError as error:
        return _line(
            call, f"{error.status_code} {error.code}", dict(error.response.headers)
        )
    return Line(call, "was NOT refused")


def _line(call: str, outcome: str, headers: dict[str, str]) -> Line:
    return Line(
        call=call,
        outcome=outcome,
        held=headers.get("x-credits-held", "—"),
        charged=headers.get("x-credits-charged", "—"),
        remaining=headers.get("x-credits-remaining", "—"),
    )
