"""Chat completions: what is answered, what it charges, and both ways to send it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import orjson

from proxy.sandbox import (
    answers,
    catalogue,
    contract,
    errors,
    failures,
    prices,
    tokens,
    tools,
)
from proxy.sandbox.failures import ConnectionCut, Marks
from proxy.sandbox.journal import Entry, Journal

OPERATION = "chat.completions"
MODEL_DEFAULT = "openai/gpt-4o-mini"
TOKENS_DEFAULT = 2048
TOKENS_LARGEST = 1_000_000_000  # the contract names none; any more is a typing error
CHOICES_LARGEST = 128
CHUNK_TOKENS = 4  # at least; a chunk then runs on to the end of its word


@dataclass(frozen=True, slots=True)
class Choice:
    tokens: list[str]
    finish_reason: str
    tool: str = ""  # the tool that it calls; the tokens are then its arguments
    call_id: str = ""

    def message(self) -> dict[str, Any]:
        """The whole of it."""
        text = "".join(self.tokens)
        if not self.tool:
            return {"role": "assistant", "content": text}
        called = tools.call(self.call_id, self.tool, text)
        return {"role": "assistant", "content": None, "tool_calls": [called]}

    def opening(self) -> dict[str, Any]:
        """What a stream says of it first."""
        if not self.tool:
            return {"role": "assistant", "content": ""}
        called = {"index": 0, **tools.call(self.call_id, self.tool, "")}
        return {"role": "assistant", "content": None, "tool_calls": [called]}

    def delta(self, chunk: list[str]) -> dict[str, Any]:
        """A piece of it in a stream."""
        text = "".join(chunk)
        if not self.tool:
            return {"content": text}
        return {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}


@dataclass(frozen=True, slots=True)
class Call:
    """One accepted request with all that will be answered to it."""

    id: str
    created: int
    model: catalogue.Model
    prompt_tokens: int
    images: int
    web_search: bool
    choices: list[Choice]
    stream: bool
    include_usage: bool
    marks: Marks

    @property
    def completion_tokens(self) -> int:
        return sum(len(choice.tokens) for choice in self.choices)

    def usage(self, completion_tokens: int) -> dict[str, Any]:
        """The contract's Usage for the tokens that were generated."""
        breakdown = prices.chat(
            self.model.tier,
            prompt=self.prompt_tokens,
            completion=completion_tokens,
            images=self.images,
            web_search=self.web_search,
        )
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
            "credits_used": sum(breakdown.values()),
            "credits_breakdown": breakdown,
        }

    def entry(self, completion_tokens: int, *, cut: bool = False) -> Entry:
        return Entry(
            id=self.id,
            operation=OPERATION,
            model=self.model.id,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=completion_tokens,
            credits=self.usage(completion_tokens)["credits_used"],
            stream=self.stream,
            cut=cut,
        )


def plan(body: bytes) -> Call:
    """Read a request and decide the whole answer.

    Raises: InvalidRequest, ModelNotFound.
    """
    fields = contract.parse(body, "ChatCompletionRequest", tools.seen)
    messages = fields["messages"]
    if not messages:
        raise errors.InvalidRequest("messages", "must not be empty")
    model = catalogue.find(fields.get("model", MODEL_DEFAULT), category="chat")
    limit = contract.whole_number(
        fields, "max_tokens", default=TOKENS_DEFAULT, largest=TOKENS_LARGEST
    )
    count = contract.whole_number(fields, "n", default=1, largest=CHOICES_LARGEST)
    stream_options = fields.get("stream_options")
    return Call(
        id=f"chatcmpl-{uuid.uuid4().hex}",
        created=int(time.time()),
        model=model,
        prompt_tokens=tools.prompt_tokens(fields),
        images=sum(len(message.get("images", ())) for message in messages),
        web_search=fields.get("web_search", False),
        choices=[_choice(model.id, fields, limit, index) for index in range(count)],
        stream=fields.get("stream", False),
        include_usage=isinstance(stream_options, dict)
        and stream_options.get("include_usage") is True,
        marks=failures.read(last_words(messages)),
    )


def last_words(messages: list[dict[str, Any]]) -> str:
    """What the user said last. What was said before is history, and so are marks."""
    said = [message["content"] for message in messages if message["role"] == "user"]
    return said[-1] if said else ""


def _choice(model: str, fields: dict[str, Any], limit: int, index: int) -> Choice:
    messages = fields["messages"]
    tool = tools.wanted(fields)
    text = tools.ARGUMENTS if tool else answers.write(model, messages, index=index)
    whole = tokens.split(text)
    reason = "length" if len(whole) > limit else "tool_calls" if tool else "stop"
    return Choice(whole[:limit], reason, tool, f"call_{len(messages)}_{index}")


async def complete(call: Call, journal: Journal, *, pace_ms: int) -> dict[str, Any]:
    """The whole answer at once, journaled before it is returned."""
    await asyncio.sleep(pace_ms * (1 + call.completion_tokens // 32) / 1000)
    await journal.append(call.entry(call.completion_tokens))
    return {
        "id": call.id,
        "object": "chat.completion",
        "created": call.created,
        "model": call.model.id,
        "model_tier": call.model.tier,
        "choices": [
            {
                "index": index,
                "message": choice.message(),
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(call.choices)
        ],
        "usage": call.usage(call.completion_tokens),
    }


class Stream:
    """The answer as server-sent events; whatever happens, it is charged once.

    An object and not a bare generator: Django calls `close` on the body of every
    response, at once and by name, while a generator that was left in the middle
    is only finished when it is collected.
    """

    def __init__(self, call: Call, journal: Journal, *, pace_ms: int) -> None:
        self._call = call
        self._journal = journal
        self._pace_seconds = pace_ms / 1000
        self._generated = 0
        self._is_charged = False
        self._parts = self._write()

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._parts)

    def close(self) -> None:
        """Charge what was generated, if the client left before the end."""
        if not self._is_charged:
            self._is_charged = True
            self._journal.enqueue(self._call.entry(self._generated, cut=True))

    async def _write(self) -> AsyncGenerator[bytes, None]:
        for index, choice in enumerate(self._call.choices):
            yield self._event(index, choice.opening())
        for index, chunk in self._chunks():
            await self._cut_if_wanted()
            await asyncio.sleep(self._pace_seconds)
            self._generated += len(chunk)
            yield self._event(index, self._call.choices[index].delta(chunk))
        # Before any sign of the end reaches the client the charge is on disk.
        self._is_charged = True
        await self._journal.append(self._call.entry(self._generated))
        for index, choice in enumerate(self._call.choices):
            yield self._event(index, {}, choice.finish_reason)
        if self._call.include_usage and "no-usage" not in self._call.marks:
            usage = self._call.usage(self._generated)
            yield self._frame({"choices": [], "usage": usage})
        yield b"data: [DONE]\n\n"

    async def _cut_if_wanted(self) -> None:
        """Raises: ConnectionCut half way, once that half is charged."""
        half = self._call.completion_tokens // 2
        if "cut" in self._call.marks and self._generated >= half:
            self._is_charged = True
            await self._journal.append(self._call.entry(self._generated, cut=True))
            raise ConnectionCut

    def _chunks(self) -> Iterator[tuple[int, list[str]]]:
        """The choices' chunks in turn, as if all were generated side by side."""
        columns = [list(chunks(choice.tokens)) for choice in self._call.choices]
        for row in zip_longest(*columns):
            for index, chunk in enumerate(row):
                if chunk:
                    yield index, chunk

    def _event(
        self, index: int, delta: dict[str, Any], finish_reason: str | None = None
    ) -> bytes:
        choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
        fields: dict[str, Any] = {"choices": [choice]}
        if self._call.include_usage:
            fields["usage"] = None  # OpenAI does so on every chunk but the last
        return self._frame(fields)

    def _frame(self, fields: dict[str, Any]) -> bytes:
        chunk = {
            "id": self._call.id,
            "object": "chat.completion.chunk",
            "created": self._call.created,
            "model": self._call.model.id,
            **fields,
        }
        return b"data: " + orjson.dumps(chunk) + b"\n\n"


def chunks(pieces: list[str]) -> Iterator[list[str]]:
    """A few words at a time; joined they are all the tokens."""
    chunk: list[str] = []
    for piece in pieces:
        if len(chunk) >= CHUNK_TOKENS and piece[0].isspace():
            yield chunk
            chunk = []
        chunk.append(piece)
    if chunk:
        yield chunk
