"""The yardstick: a gateway that does what every gateway must, and nothing else.

Reads the body, posts it with the HTTP client Tollgate uses, relays the reply.
No key, no price, no account. `FORWARD_TO` names the upstream's base URL.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from httpx_aiohttp import HttpxAiohttpClient

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

URL = os.environ.get("FORWARD_TO", "http://127.0.0.1:9") + "/chat/completions"
HEADERS = {
    "authorization": "Bearer upstream-key",
    "content-type": "application/json",
    "accept-encoding": "identity",
}
CONNECTIONS_MAX = 512

clients: list[HttpxAiohttpClient] = []


def pooled_client() -> HttpxAiohttpClient:
    """The process's one client, made inside the loop that will use it."""
    if not clients:
        limits = httpx.Limits(
            max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX
        )
        clients.append(HttpxAiohttpClient(limits=limits, timeout=60, trust_env=False))
    return clients[0]


async def whole_body(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


async def application(scope: Message, receive: Receive, send: Send) -> None:
    client = pooled_client()
    body = await whole_body(receive)
    request = client.build_request("POST", URL, content=body, headers=HEADERS)
    reply = await client.send(request, stream=True)
    try:
        content_type = reply.headers.get("content-type", "application/json")
        headers = [(b"content-type", content_type.encode())]
        is_stream = content_type.startswith("text/event-stream")
        payload = b"" if is_stream else await reply.aread()
        if not is_stream:
            headers.append((b"content-length", str(len(payload)).encode()))
        start = {"status": reply.status_code, "headers": headers}
        await send({"type": "http.response.start", **start})
        if is_stream:
            async for part in reply.aiter_raw():
                await send(
                    {"type": "http.response.body", "body": part, "more_body": True}
                )
        await send({"type": "http.response.body", "body": payload})
    finally:
        await reply.aclose()
