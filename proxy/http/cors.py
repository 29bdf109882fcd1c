"""Which pages of other origins may call `/v1` from a browser: none, unless the operator
names them (CORS_ORIGINS). A key in a page is everybody's who opens it.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings

from proxy.http.handler import Message, Send

MAX_AGE_SECONDS = 600
WANTED_LENGTH_MAX = 1_000
# What pages may read of a reply beside its body.
EXPOSED = ", ".join(
    (
        *("x-request-id", "x-job-id", "x-ignored-parameters", "x-price-basis"),
        *("x-credits-held", "x-credits-charged", "x-credits-remaining", "retry-after"),
        *("x-idempotent-replay", "x-should-retry"),
    )
)

Headers = list[tuple[bytes, bytes]]


def allowed_origin(scope: Message) -> bytes:
    """The origin to be told that it may; b"" for none, and while nobody may."""
    if not settings.CORS_ORIGINS:
        return b""
    origin = _header(scope, b"origin")
    if "*" in settings.CORS_ORIGINS:
        return b"*" if origin else b""
    return origin if origin.decode("latin1") in settings.CORS_ORIGINS else b""


def is_question(scope: Message) -> bool:
    """Whether a browser asks before the call itself."""
    asks = bool(_header(scope, b"access-control-request-method"))
    return asks and scope["method"] == "OPTIONS"


async def answer_question(scope: Message, origin: bytes, send: Send) -> None:
    """Yes: any method of ours, with the headers that it names."""
    wanted = _header(scope, b"access-control-request-headers")
    headers: Headers = [
        *_allowing(origin),
        (b"access-control-allow-methods", b"GET, POST, PATCH, DELETE"),
        (b"access-control-allow-headers", wanted[:WANTED_LENGTH_MAX] or b"*"),
        (b"access-control-max-age", str(MAX_AGE_SECONDS).encode()),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def telling(origin: bytes, send: Send) -> Send:
    """`send`, with what lets a page of this origin read the reply."""

    async def tell(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            exposed = (b"access-control-expose-headers", EXPOSED.encode())
            headers = [*message["headers"], *_allowing(origin), exposed]
            message = {**message, "headers": headers}
        await send(message)

    return tell


def _allowing(origin: bytes) -> Headers:
    return [(b"access-control-allow-origin", origin), (b"vary", b"origin")]


def _header(scope: Message, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")
