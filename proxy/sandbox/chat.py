"""Chat completions: the answer, what it charges, and the stream of it.

The contract does not name tools, but SDKs send them: the sandbox calls one only where
`tool_choice` tells it to, or the mark `tool`. Nor does it name `response_format`: the
sandbox answers with JSON of its schema.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import orjson

from proxy.operations.chat_messages import is_result
from proxy.sandbox import (
    answers,
    catalogue,
    contract,
    errors,
    failures,
    instances,
    journal,
    options,
    prices,
    tokens,
)
from proxy.sandbox.failures import ConnectionCut
from proxy.sandbox.work import Work

TOKENS_LARGEST = 1_000_000_000  # the contract names none; any more is a typing error
CHOICES_LARGEST = 128
CHUNK_TOKENS = 4  # at least; a chunk then runs on to the end of its word
COUNTED = ("content", "tool_calls")  # of a message


@dataclass(frozen=True, slots=True)
class Choice:
    tokens: list[str]
    finish_reason: str
    tool: str = ""  # the tool that it calls; the tokens are then its arguments
    call_id: str = ""

    def part(self, text: str) -> dict[str, Any]:
        """A part of the message: text, or the call of the tool."""
        if not self.tool:
            return {"content": text}
        function = {"name": self.tool, "arguments": text}
        call = {"id": self.call_id, "type": "function", "function": function}
        return {"content": None, "tool_calls": [{"index": 0, **call}]}

    def chunks(self) -> Iterator[list[str]]:
        """The answer in pieces; the call of a tool is one."""
        return iter([self.tokens]) if self.tool else chunks(self.tokens)


class Chat:
    """An accepted request and its whole answer, decided before a word is sent.

    Raises: Refusal (400, 404).
    """

    def __init__(self, body: bytes) -> None:
        fields = contract.parse(body, "ChatCompletionRequest", without_tools)
        messages = fields["messages"]
        if not messages:
            raise errors.invalid("messages", "must not be empty")
        self.model = catalogue.find(fields["model"], "chat")
        limit = contract.whole_number(fields, "max_tokens", largest=TOKENS_LARGEST)
        count = contract.whole_number(fields, "n", largest=CHOICES_LARGEST)
        self.id = f"chatcmpl-{uuid.uuid4().hex}"
        self.created = int(time.time())
        self.choices = [
            _choice(self.model.id, fields, limit, index) for index in range(count)
        ]
        self.prompt_tokens = prompt_tokens(fields)
        self.completion_tokens = sum(len(choice.tokens) for choice in self.choices)
        self.images = sum(len(message.get("images", ())) for message in messages)
        self.web_search: bool = fields["web_search"]
        self.stream: bool = fields["stream"]
        options = fields.get("stream_options")
        self.include_usage = (
            isinstance(options, dict) and options.get("include_usage") is True
        )
        # Marks in earlier messages are history.
        self.marks = failures.read(answers.last_words(messages))

    def work(self, completion_tokens: int) -> Work:
        """The whole answer, priced by the tokens that were generated."""
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", **choice.part("".join(choice.tokens))},
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(self.choices)
        ]
        return Work(
            operation="chat.completions",
            model=self.model,
            marks=self.marks,
            output={
                "id": self.id,
                "object": "chat.completion",
                "created": self.created,
                "choices": choices,
            },
            breakdown=prices.chat(
                self.model.tier,
                prompt=self.prompt_tokens,
                completion=completion_tokens,
                images=self.images,
                web_search=self.web_search,
            ),
            tokens={
                "prompt_tokens": self.prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": self.prompt_tokens + completion_tokens,
            },
        )


def without_tools(document: Any) -> Any:
    """The request as the contract's schema can check it: a tool's result is a user's
    message, and an assistant that only called tools said an empty text."""
    messages = document.get("messages") if isinstance(document, dict) else None
    if not isinstance(messages, list):
        return document
    return {**document, "messages": [_without_tools(message) for message in messages]}


def _without_tools(message: Any) -> Any:
    if is_result(message):
        return {**message, "role": "user", "content": ""}
    if not isinstance(message, dict) or message.get("content") is not None:
        return message
    calls = message.get("tool_calls") or message.get("function_call")
    return {**message, "content": ""} if calls else message


def _choice(model: str, fields: dict[str, Any], limit: int, index: int) -> Choice:
    messages = fields["messages"]
    tool = _wanted_tool(fields)
    text = _arguments(fields["tools"], tool) if tool else ""
    if not tool:
        said = answers.write(model, messages, index=index)
        text = _structured(fields.get("response_format"), said)
    whole = tokens.split(text)
    reason = "length" if len(whole) > limit else "tool_calls" if tool else "stop"
    return Choice(whole[:limit], reason, tool, f"call_{len(messages)}_{index}")


def _wanted_tool(fields: dict[str, Any]) -> str:
    """The tool that `tool_choice` wants called; "" if the answer may be words."""
    tools, choice = fields.get("tools"), fields.get("tool_choice")
    names = [_name(tool) for tool in (tools if isinstance(tools, list) else ())]
    last = fields["messages"][-1]
    is_asked = choice not in ("none", "required") and not is_result(last)
    if is_asked and "tool" in failures.read(answers.last_words([last])):
        choice = "required"
    if choice == "required":
        return next(filter(None, names), "")
    return _name(choice) if _name(choice) in names else ""


def _arguments(tools: list[Any], name: str) -> str:
    """What the tool is called with: as little as its parameters allow."""
    for tool in tools:
        if _name(tool) == name:
            schema = tool["function"].get("parameters")
            return orjson.dumps(instances.of_schema(schema) or {}).decode()
    return "{}"


def _structured(form: Any, text: str) -> str:
    """The answer as `response_format` wants it."""
    match form:
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            return orjson.dumps(instances.of_schema(schema, text)).decode()
        case {"type": "json_object"}:
            return orjson.dumps({"answer": text}).decode()
    return text


def _name(tool: Any) -> str:
    match tool:
        case {"function": {"name": str(name)}}:
            return name
    return ""


def prompt_tokens(fields: dict[str, Any]) -> int:
    """The tokens of the messages, and of the tools beside them."""
    messages = fields["messages"]
    parts = [message.get(part) for message in messages for part in COUNTED]
    texts = [
        part if isinstance(part, str) else orjson.dumps(part).decode()
        for part in (*parts, fields.get("tools"))
        if part is not None
    ]
    return tokens.PER_MESSAGE * len(messages) + sum(map(tokens.count, texts))


class Stream:
    """The answer as server-sent events; whatever happens, it is charged once.

    An object and not a bare generator: Django calls `close` on the body of every
    response at once, while a generator that was left in the middle only ends when
    it is collected.
    """

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._generated = 0
        self._is_charged = False

    def __aiter__(self) -> AsyncGenerator[bytes, None]:
        return self._write()

    def close(self) -> None:
        """Charge what was generated, if the client left before the end."""
        if not self._is_charged:
            journal.current().enqueue(self._entry(cut=True))

    def _entry(self, *, cut: bool) -> dict[str, Any]:
        self._is_charged = True
        work = self._chat.work(self._generated)
        return work.entry(self._chat.id, stream=True, cut=cut)

    async def _write(self) -> AsyncGenerator[bytes, None]:
        chat = self._chat
        for index in range(len(chat.choices)):
            yield self._event(index, {"role": "assistant", "content": ""})
        for index, chunk in self._chunks():
            if "cut" in chat.marks and self._generated >= chat.completion_tokens // 2:
                await journal.current().append(self._entry(cut=True))
                raise ConnectionCut
            await asyncio.sleep(options.load().pace_ms / 1000)
            self._generated += len(chunk)
            yield self._event(index, chat.choices[index].part("".join(chunk)))
        # Before any sign of the end reaches the client the charge is on disk.
        await journal.current().append(self._entry(cut=False))
        for index, choice in enumerate(chat.choices):
            yield self._event(index, {}, choice.finish_reason)
        if chat.include_usage and "no-usage" not in chat.marks:
            usage = chat.work(self._generated).usage()
            yield self._frame(choices=[], usage=usage)
        yield b"data: [DONE]\n\n"

    def _chunks(self) -> Iterator[tuple[int, list[str]]]:
        """The choices' chunks in turn, as if all were generated side by side."""
        columns = [choice.chunks() for choice in self._chat.choices]
        for row in zip_longest(*columns):
            yield from ((index, chunk) for index, chunk in enumerate(row) if chunk)

    def _event(
        self, index: int, delta: dict[str, Any], finish_reason: str | None = None
    ) -> bytes:
        choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
        # OpenAI does so on every chunk but the last.
        usage = {"usage": None} if self._chat.include_usage else {}
        return self._frame(choices=[choice], **usage)

    def _frame(self, **fields: Any) -> bytes:
        chunk = {
            "id": self._chat.id,
            "object": "chat.completion.chunk",
            "created": self._chat.created,
            "model": self._chat.model.id,
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
