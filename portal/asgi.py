"""The ASGI applications: of the public address, and of the pages' own process.

`/v1` goes to the lean gateway handler; `/healthz` and `/readyz` are answered here; all
else goes through the door to the pages, or to Django's own handler where nobody said
that pages have a process of their own (`manage.py serve` does).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import django
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpResponseBadRequest
from django.http.response import HttpResponseBase

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup(set_prefix=False)


class Pages(ASGIHandler):
    """Django's; a Content-Type in an encoding that is none is a client's fault, too."""

    def create_request(
        self, scope: Any, body_file: Any
    ) -> tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]:
        try:
            return super().create_request(scope, body_file)
        except (ValueError, LookupError):
            return None, HttpResponseBadRequest()


pages = Pages()

from django.conf import settings  # noqa: E402  settings need the line above
from django.utils.module_loading import import_string  # noqa: E402

# Named by string: portal must not import the layer above it.
gateway = import_string(settings.GATEWAY_HANDLER)

# WhiteNoise reads its files piece by piece in the thread, which Django remarks upon at
# the first of them; ours are a few kilobytes.
warnings.filterwarnings(
    "ignore", "StreamingHttpResponse must consume synchronous", module="django"
)

from portal.runtime import connections, health  # noqa: E402
from portal.runtime.door import Door, peer_of  # noqa: E402

# Also what clients ask whose base_url lacks the /v1: the gateway says so in JSON.
GATEWAY_SEGMENTS = {
    *("v1", "chat", "completions", "responses", "embeddings", "models", "images"),
    *("audio", "videos", "music", "messages", "engines", "openai"),
}

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


# Who comes by a Unix socket.
NOBODY = ("", 0)
TOO_MANY = (
    b'{"error":{"message":"Your address asks too much at once. Try again in a moment.",'
    b'"type":"rate_limit_error","param":null,"code":"too_many_connections"}}'
)

_door: Door | None = None


def pages_are_at(path: str, at_once: int) -> None:
    """Pages are served by another process, behind this Unix socket."""
    global _door  # noqa: PLW0603  of this process, said once before it serves
    _door = Door(path, at_once)


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Dispatch one ASGI connection. `scope["path"]` is already percent-decoded."""
    if scope["type"] == "lifespan":
        await gateway.lifespan(receive, send)
        return
    peer = scope.get("client") or NOBODY
    if not connections.enter(peer):
        await _refuse(send)
        return
    try:
        path = own_path(scope["path"])
        scope = {**scope, "path": path}
        if GATEWAY_SEGMENTS.intersection(path.split("/", 2)[1:2]):
            await gateway(scope, receive, send)
        elif path in health.CHECKS:
            await health.answer(scope, send)
        else:
            await (_door or in_process)(scope, receive, send)
    finally:
        connections.leave(peer)


async def _refuse(send: Send) -> None:
    """One address asks more at once than any may; its body is not read."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(TOO_MANY)).encode()),
        (b"retry-after", b"1"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": TOO_MANY})


async def behind_the_door(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The pages, in their own process."""
    await in_process(peer_of(scope), receive, send)


async def in_process(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The pages, here."""
    await pages(as_seen(scope, own_path(scope["path"])), receive, send)


def own_path(path: str) -> str:
    """Without the path of PUBLIC_URL, which a proxy may take off, or pass on."""
    prefix = settings.URL_PREFIX
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        return path.removeprefix(prefix) or "/"
    return path


def as_seen(scope: dict[str, Any], path: str) -> dict[str, Any]:
    """The connection as a browser has it, by PUBLIC_URL: TLS and paths end in front of
    us. No header is asked, which anybody could send."""
    scheme = "https" if settings.IS_HTTPS else scope["scheme"]
    return {**scope, "scheme": scheme, "path": settings.URL_PREFIX + path}
