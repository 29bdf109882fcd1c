"""Chat completions: the answer, what it charges, and both ways to send it."""

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
from proxy.sandbox.journal import Journal, JournalEntry

OPERATION = "chat.completions"
TOKENS_LARGEST = 1_000_000_000  # the contract names none; any more is a typing error
CHOICES_LARGEST = 128
CHUNK_TOKENS = 4  # at least; a chunk then runs on to the end of its word


@dataclass(frozen=True, slots=True)
class Choice:
    tokens: list[str]
    finish_reason: str
    tool: str = ""  # the tool that it calls; the tokens are then its arguments
    call_id: str = ""

    def message(self, text: str, **place: int) -> dict[str, Any]:
        """A message of this text, or a call of the tool with it; in a stream a call
        has its place (`index`) beside it."""
        if not self.tool:
            return {"role": "assistant", "content": text}
        called = {**place, **tools.call(self.call_id, self.tool, text)}
        return {"role": "assistant", "content": None, "tool_calls": [called]}

    def delta(self, chunk: list[str]) -> dict[str, Any]:
        """A later delta of the choice in a stream."""
        text = "".join(chunk)
        if not self.tool:
            return {"content": text}
        return {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}


@dataclass(frozen=True, slots=True)
class ChatPlan:
    """An accepted request and its whole answer, decided before a word is sent."""

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

    def entry(self, completion_tokens: int, *, cut: bool = False) -> JournalEntry:
        return JournalEntry(
            id=self.id,
            operation=OPERATION,
            model=self.model.id,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=completion_tokens,
            credits=self.usage(completion_tokens)["credits_used"],
            stream=self.stream,
            cut=cut,
        )


def plan(body: bytes) -> ChatPlan:
    """Read a request and decide the whole answer.

    Raises: Refusal (400, 404).
    """
    fields = contract.parse(body, "ChatCompletionRequest", tools.without_tools)
    messages = fields["messages"]
    if not messages:
        raise errors.invalid("messages", "must not be empty")
    model = catalogue.find(fields["model"], "chat")
    limit = contract.whole_number(fields, "max_tokens", largest=TOKENS_LARGEST)
    count = contract.whole_number(fields, "n", largest=CHOICES_LARGEST)
    stream_options = fields.get("stream_options")
    return ChatPlan(
        id=f"chatcmpl-{uuid.uuid4().hex}",
        created=int(time.time()),
        model=model,
        prompt_tokens=tools.prompt_tokens(fields),
        images=sum(len(message.get("images", ())) for message in messages),
        web_search=fields["web_search"],
        choices=[_choice(model.id, fields, limit, index) for index in range(count)],
        stream=fields["stream"],
        include_usage=isinstance(stream_options, dict)
        and stream_options.get("include_usage") is True,
        marks=failures.read(last_words(messages)),
    )


def last_words(messages: list[dict[str, Any]]) -> str:
    """What the user said last: marks in earlier messages are history."""
    said = [message["content"] for message in messages if message["role"] == "user"]
    return said[-1] if said else ""


def _choice(model: str, fields: dict[str, Any], limit: int, index: int) -> Choice:
    messages = fields["messages"]
    tool = tools.wanted(fields)
    text = tools.ARGUMENTS if tool else answers.write(model, messages, index=index)
    whole = tokens.split(text)
    reason = "length" if len(whole) > limit else "tool_calls" if tool else "stop"
    return Choice(whole[:limit], reason, tool, f"call_{len(messages)}_{index}")


async def complete(plan: ChatPlan, journal: Journal, *, pace_ms: int) -> dict[str, Any]:
    """The whole answer at once, journaled before it is returned."""
    await asyncio.sleep(pace_ms * (1 + plan.completion_tokens // 32) / 1000)
    await journal.append(plan.entry(plan.completion_tokens))
    return {
        "id": plan.id,
        "object": "chat.completion",
        "created": plan.created,
        "model": plan.model.id,
        "model_tier": plan.model.tier,
        "choices": [
            {
                "index": index,
                "message": choice.message("".join(choice.tokens)),
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(plan.choices)
        ],
        "usage": plan.usage(plan.completion_tokens),
    }


class Stream:
    """The answer as server-sent events; whatever happens, it is charged once.

    An object and not a bare generator: Django calls `close` on the body of every
    response at once, while a generator that was left in the middle only ends when
    it is collected.
    """

    def __init__(self, plan: ChatPlan, journal: Journal, *, pace_ms: int) -> None:
        self._plan = plan
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
            self._journal.enqueue(self._plan.entry(self._generated, cut=True))

    async def _write(self) -> AsyncGenerator[bytes, None]:
        for index, choice in enumerate(self._plan.choices):
            yield self._event(index, choice.message("", index=0))
        for index, chunk in self._chunks():
            await self._cut_if_wanted()
            await asyncio.sleep(self._pace_seconds)
            self._generated += len(chunk)
            yield self._event(index, self._plan.choices[index].delta(chunk))
        # Before any sign of the end reaches the client the charge is on disk.
        self._is_charged = True
        await self._journal.append(self._plan.entry(self._generated))
        for index, choice in enumerate(self._plan.choices):
            yield self._event(index, {}, choice.finish_reason)
        if self._plan.include_usage and "no-usage" not in self._plan.marks:
            usage = self._plan.usage(self._generated)
            yield self._frame({"choices": [], "usage": usage})
        yield b"data: [DONE]\n\n"

    async def _cut_if_wanted(self) -> None:
        """Raises: ConnectionCut half way, once that half is charged."""
        half = self._plan.completion_tokens // 2
        if "cut" in self._plan.marks and self._generated >= half:
            self._is_charged = True
            await self._journal.append(self._plan.entry(self._generated, cut=True))
            raise ConnectionCut

    def _chunks(self) -> Iterator[tuple[int, list[str]]]:
        """The choices' chunks in turn, as if all were generated side by side."""
        columns = [list(chunks(choice.tokens)) for choice in self._plan.choices]
        for row in zip_longest(*columns):
            for index, chunk in enumerate(row):
                if chunk:
                    yield index, chunk

    def _event(
        self, index: int, delta: dict[str, Any], finish_reason: str | None = None
    ) -> bytes:
        choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
        fields: dict[str, Any] = {"choices": [choice]}
        if self._plan.include_usage:
            fields["usage"] = None  # OpenAI does so on every chunk but the last
        return self._frame(fields)

    def _frame(self, fields: dict[str, Any]) -> bytes:
        chunk = {
            "id": self._plan.id,
            "object": "chat.completion.chunk",
            "created": self._plan.created,
            "model": self._plan.model.id,
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
