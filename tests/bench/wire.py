"""The bytes on the wire: the one place for the requests sent and replies given."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

Kind = Literal["json", "stream"]

CREDITS_PER_CALL = 3
EVENTS = 20
HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
# Ends every chunked body. The texts below hold no line feed, so no data has it.
LAST_CHUNK = b"\r\n0\r\n\r\n"
# What the body of a complete and healthy reply holds.
PROOF: dict[Kind, bytes] = {"json": b'"credits_used"', "stream": b"data: [DONE]"}

MODEL = "openai/gpt-4o-mini"
SYSTEM = "You are a careful clerk. Answer in one short paragraph, name your source. "
QUESTION = "A customer asks how the toll on the old bridge is reckoned today. "
ANSWER = "The toll is reckoned by the axle, and paid before the gate opens. "
USAGE = {
    "credits_used": CREDITS_PER_CALL,
    "credits_breakdown": {"prompt": 1, "completion": 2},
    "prompt_tokens": 96,
    "completion_tokens": 84,
    "total_tokens": 180,
}


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def request(*, kind: Kind, port: int, path: str, api_key: str) -> bytes:
    """A whole chat completion request; its body is about 600 bytes."""
    body: dict[str, Any] = {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": SYSTEM * 2},
            {"role": "user", "content": QUESTION * 4},
        ],
        "temperature": 0.2,
        "max_tokens": 256,
    }
    if kind == "stream":
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    payload = compact(body)
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
        f"authorization: Bearer {api_key}\r\naccept: application/json\r\n"
        f"content-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload


def json_reply(value: Any) -> bytes:
    payload = compact(value)
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        f"content-length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload


def completion() -> bytes:
    """The upstream's whole reply to a call that is not streamed, about 700 bytes."""
    message = {"role": "assistant", "content": ANSWER * 5}
    return json_reply(
        {
            "id": "chatcmpl-0123456789abcdef",
            "object": "chat.completion",
            "created": 1_760_000_000,
            "model": MODEL,
            "model_tier": "fast",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": USAGE,
        }
    )


def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
    body = {
        "id": "chatcmpl-0123456789abcdef",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": MODEL,
        "choices": choices,
    }
    return b"data: " + compact(body | more) + b"\n\n"


def chunk(payload: bytes) -> bytes:
    return f"{len(payload):x}\r\n".encode() + payload + b"\r\n"


def stream_writes() -> list[bytes]:
    """A streamed reply as the upstream's writes: 20 events, usage, `[DONE]`."""
    events = [
        event([{"index": 0, "delta": {"content": "toll "}, "finish_reason": None}])
        for _ in range(EVENTS - 1)
    ]
    events.append(event([{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    events.append(event([], usage=USAGE))
    writes = [chunk(payload) for payload in events]
    writes[0] = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n" + writes[0]
    )
    writes.append(chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
    return writes
