"""Shorthand for the replies that tests ask for most."""

from __future__ import annotations

import gzip
import json
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from tests.support.upstream.replies import ScriptedReply

DONE = b"data: [DONE]\n\n"
DERIVED: Any = object()  # "the usage that follows from the other arguments"


class Raw:
    """Bytes put into the JSON as they are: `NaN`, `1e400`, a duplicate key."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.token = f"raw-{uuid.uuid4().hex}"


def encode(value: Any) -> bytes:
    """JSON with `Raw` parts left alone."""
    raws: list[Raw] = []

    def stand_in(item: Any) -> str:
        if not isinstance(item, Raw):
            raise TypeError(f"{item!r} is no JSON value")
        raws.append(item)
        return item.token

    data = json.dumps(value, default=stand_in, separators=(",", ":")).encode()
    for raw in raws:
        data = data.replace(b'"%s"' % raw.token.encode(), raw.data)
    return data


def usage_of(credits: Any, prompt_tokens: int = 9, completion_tokens: int = 12) -> Any:
    """The upstream's `usage` object."""
    return {
        "credits_used": credits,
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def json_reply(body: Any, **fields: Any) -> ScriptedReply:
    """Any JSON; `fields` are those of `ScriptedReply`."""
    data = body if isinstance(body, bytes) else encode(body)
    return ScriptedReply(steps=(data,), **fields)


def chat_json(
    *,
    credits: int = 3,
    text: str = "Hello world",
    prompt_tokens: int = 9,
    completion_tokens: int = 12,
    model: str = "test-model",
    usage: Any = DERIVED,
    **fields: Any,
) -> ScriptedReply:
    """A chat completion. `usage` replaces the derived object; None leaves it out."""
    body: dict[str, Any] = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": 1_767_225_600,
        "model": model,
        "model_tier": "fast",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
    }
    if usage is DERIVED:
        usage = usage_of(credits, prompt_tokens, completion_tokens)
    if usage is not None:
        body["usage"] = usage
    return json_reply(body, credits=credits, **fields)


def sse(data: Any, *, newline: bytes = b"\n") -> bytes:
    """One server-sent event; bytes with line feeds become several `data:` lines."""
    payload = data if isinstance(data, bytes) else encode(data)
    lines = [b"data: " + line for line in payload.split(b"\n")]
    return newline.join(lines) + newline * 2


def chat_chunk(
    text: str | None = None,
    *,
    finish_reason: str | None = None,
    usage: Any = None,
    choices: list[Any] | None = None,
    model: str = "test-model",
    newline: bytes = b"\n",
) -> bytes:
    """One event of a chat stream. `choices=[]` makes a usage-only chunk."""
    delta = {} if text is None else {"content": text}
    if choices is None:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    body: dict[str, Any] = {
        "id": "chatcmpl-stream",
        "object": "chat.completion.chunk",
        "created": 1_767_225_600,
        "model": model,
        "choices": choices,
    }
    if usage is not None:
        body["usage"] = usage
    return sse(body, newline=newline)


def stream_reply(
    events: Iterable[bytes], *, credits: int = 0, **fields: Any
) -> ScriptedReply:
    """A stream of these bytes, one piece for each element."""
    fields.setdefault("content_type", "text/event-stream")
    fields.setdefault("framing", "chunked")
    return ScriptedReply(steps=tuple(events), credits=credits, **fields)


def chat_stream(
    *,
    pieces: Sequence[str] = ("Hello", " world"),
    credits: int = 3,
    usage_position: Literal["own_chunk", "last_choice"] | None = "own_chunk",
    usage: Any = DERIVED,
    prompt_tokens: int = 9,
    completion_tokens: int = 12,
    model: str = "test-model",
    done: bool = True,
    newline: bytes = b"\n",
    **fields: Any,
) -> ScriptedReply:
    """A chat completion as events; the usage sits where `usage_position` says."""
    if usage is DERIVED:
        usage = usage_of(credits, prompt_tokens, completion_tokens)
    shape: dict[str, Any] = {"model": model, "newline": newline}
    events = [chat_chunk(piece, **shape) for piece in pieces]
    last_usage = usage if usage_position == "last_choice" else None
    events.append(chat_chunk(finish_reason="stop", usage=last_usage, **shape))
    if usage_position == "own_chunk":
        events.append(chat_chunk(choices=[], usage=usage, **shape))
    if done:
        events.append(sse(b"[DONE]", newline=newline))
    return stream_reply(events, credits=credits, **fields)


def embeddings_json(inputs: Any, *, model: str = "test-embedding") -> ScriptedReply:
    """Eight floats for each input. The upstream names tokens here, never credits."""
    several = isinstance(inputs, list) and not all(isinstance(i, int) for i in inputs)
    texts = inputs if several else [inputs]
    tokens = sum(max(1, math.ceil(len(text) / 4)) for text in texts)
    body = {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": [(index + step) / 16 for step in range(8)],
            }
            for index in range(len(texts))
        ],
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return json_reply(body, credits=max(1, math.ceil(tokens / 1000)))


def images_json(
    *urls: str, credits: int = 10, usage: Any = DERIVED, **fields: Any
) -> ScriptedReply:
    """Images at these addresses. `usage` replaces the derived object; None leaves it
    out."""
    body: dict[str, Any] = {
        "created": 1_767_225_600,
        "data": [
            {"url": url, "revised_prompt": "a cat", "width": 1024, "height": 1024}
            for url in urls
        ],
        "model": "test-image",
        "model_tier": "standard",
    }
    if usage is DERIVED:
        usage = {"credits_used": credits}
    if usage is not None:
        body["usage"] = usage
    return json_reply(body, credits=credits, **fields)


def file_reply(content: bytes, content_type: str, **fields: Any) -> ScriptedReply:
    """A stored file, as it is fetched from an address in an answer."""
    return ScriptedReply(
        steps=(content,), content_type=content_type, charge="never", **fields
    )


def error_json(
    status: int,
    message: str = "The upstream says no.",
    *,
    code: str = "upstream_error",
    credits: int = 0,
    headers: Mapping[str, str] | None = None,
) -> ScriptedReply:
    """An error in the upstream's shape; with `credits` it charged all the same."""
    body = {"error": {"message": message, "type": "upstream_error", "code": code}}
    return json_reply(
        body,
        status=status,
        credits=credits,
        charge="before" if credits else "never",
        headers=headers or {},
    )


def job_accepted(
    upstream_id: Any = "up-job-1", *, credits: int = 0, **fields: Any
) -> ScriptedReply:
    """An AsyncJobResponse; `credits` is what the upstream charges for the whole job."""
    body = {
        "id": upstream_id,
        "status": "pending",
        "created": 1_767_225_600,
        "model": "test-video",
        **fields,
    }
    return json_reply(body, credits=credits)


def job_status(
    status: str = "completed", *, upstream_id: str = "up-job-1", **fields: Any
) -> ScriptedReply:
    """A JobStatusResponse; a list of them, given to `on`, is a job's whole life."""
    is_over = status in ("completed", "failed")
    body: dict[str, Any] = {
        "id": upstream_id,
        "status": status,
        "progress": 100 if is_over else 40,
        "created": 1_767_225_600,
        "completed": 1_767_225_660 if is_over else None,
        "model": "test-video",
        "outputData": None,
        "errorMessage": None,
        **fields,
    }
    return json_reply(body)


def html(status: int = 200, text: str = "<h1>Bad gateway</h1>") -> ScriptedReply:
    """What a proxy in front of the upstream answers when it is unwell."""
    return json_reply(
        text.encode(), status=status, content_type="text/html", charge="never"
    )


def redirect(location: str, status: int = 302) -> ScriptedReply:
    """A redirect, which nobody may follow."""
    return ScriptedReply(status=status, headers={"location": location}, charge="never")


def gzipped(reply: ScriptedReply) -> ScriptedReply:
    """The same answer, compressed though nobody asked."""
    headers = {**reply.headers, "content-encoding": "gzip"}
    return reply.but(steps=(gzip.compress(reply.body),), headers=headers)
