"""A lean ASGI handler: Django's request, resolver and views without its middleware.

Django's own handler runs `request_started` receivers and `response.close` in
threads and wraps the portal's middleware round every call: about 750 µs of CPU
where this one needs 30. It also reads the whole body before a view may look at
the key. Here the view reads the body, once it knows who is asking.
"""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, Protocol

from django.core.exceptions import RequestDataTooBig
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import get_resolver
from django.urls.base import set_urlconf

logger = logging.getLogger(__name__)

# After the answer, a body that was not read is read and thrown away: for so long, while
# it arrives, and up to so many bytes.
LINGER_SECONDS = 5
LINGER_IDLE_SECONDS = 1
LINGER_BYTES_MAX = 64 * 1024**2

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class BodyTooLarge(Exception):
    """The request's body is over the limit; what came was thrown away."""


class ClientGone(Exception):
    """The client closed its connection before the body was complete."""


class LeanRequest(ASGIRequest):
    """An ASGI request whose body is read on demand by `read_body`."""

    body_digest = ""  # set by who reads the body, if a repeat has to be recognized

    def __init__(self, scope: Message, receive: Receive) -> None:
        super().__init__(scope, io.BytesIO())
        self._receive = receive
        self._is_read = False

    async def receive(self) -> Message:
        """The next piece of the body, or that the client has left."""
        message = await self._receive()
        if not message.get("more_body", False):
            self._is_read = True
        return message

    async def linger(self) -> None:
        """Read what is still to come of the body, and throw it away.

        Without this the server closes the connection under a client that is still
        writing, or has just sent its next request: instead of the answer that says
        what was wrong, it gets a broken pipe.
        """
        if self._is_read or not self._has_body:
            return
        left = LINGER_BYTES_MAX
        until = time.monotonic() + LINGER_SECONDS
        while left > 0:
            seconds = min(LINGER_IDLE_SECONDS, until - time.monotonic())
            try:
                async with asyncio.timeout(seconds):
                    message = await self.receive()
            except TimeoutError:
                return
            if not message.get("more_body", False):
                return
            left -= len(message["body"])

    def let_go(self) -> None:
        """Give the connection back: nothing is read from here any more.

        DRF's request and view hold each other, and so this, until Python searches for
        garbage; and the server keeps a connection for as long as one may read from it.
        """
        self._receive = _nobody

    @property
    def _has_body(self) -> bool:
        length = self.META.get("CONTENT_LENGTH") or "0"
        return length != "0" or "HTTP_TRANSFER_ENCODING" in self.META

    async def read_body(self, *, bytes_max: int, seconds_max: float) -> bytes:
        """The whole body.

        Raises: BodyTooLarge, before reading when Content-Length already says so;
        ClientGone; TimeoutError when the body drips for too long.
        """
        length = self.META.get("CONTENT_LENGTH", "")
        if length.isdigit() and int(length) > bytes_max:
            raise BodyTooLarge
        async with asyncio.timeout(seconds_max):
            return await self._read_chunks(bytes_max)

    async def _read_chunks(self, bytes_max: int) -> bytes:
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False) and len(body) <= bytes_max:
            return body
        chunks = bytearray(body)
        while message.get("more_body", False):
            if len(chunks) > bytes_max:
                raise BodyTooLarge
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunks += message.get("body", b"")
        if len(chunks) > bytes_max:
            raise BodyTooLarge
        return bytes(chunks)


async def _nobody() -> Message:
    return {"type": "http.disconnect"}


class ErrorResponder(Protocol):
    """Turns what no view handled into the caller's error shape."""

    def not_found(self, request: LeanRequest) -> HttpResponseBase: ...

    def crashed(self, request: LeanRequest) -> HttpResponseBase: ...


class LeanHandler:
    """One URLconf of asynchronous views as an ASGI application."""

    def __init__(self, urlconf: str, errors: ErrorResponder) -> None:
        self.urlconf = urlconf
        self.errors = errors

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        set_urlconf(self.urlconf)
        try:
            request = LeanRequest(scope, receive)
        except (UnicodeDecodeError, RequestDataTooBig):
            await send_whole(HttpResponse(status=400), send)
            return
        response = await self._respond(request)
        try:
            if isinstance(response, StreamingHttpResponse):
                await send_stream(response, receive, send)
            else:
                await send_whole(response, send)
            await request.linger()
        finally:
            request.let_go()
            # Not response.close(): that also sends `request_finished`, for receivers
            # that tidy up after synchronous requests.
            for close in response._resource_closers:  # type: ignore[attr-defined]
                close()

    async def _respond(self, request: LeanRequest) -> HttpResponseBase:
        try:
            match = get_resolver(self.urlconf).resolve(request.path_info)
        except Http404:
            return self.errors.not_found(request)
        request.resolver_match = match
        try:
            response: HttpResponseBase = await match.func(
                request, *match.args, **match.kwargs
            )
        except Exception:  # noqa: BLE001  the last door: nothing may leak past it
            # The path and the type of the fault only; a body or a key must never
            # reach the log.
            logger.exception("unhandled error in %s", match.view_name)
            return self.errors.crashed(request)
        return response


def header_list(response: HttpResponseBase) -> list[tuple[bytes, bytes]]:
    """The response's headers as ASGI wants them."""
    return [
        (name.lower().encode("ascii"), value.encode("latin1"))
        for name, value in response.items()
    ]


async def send_whole(response: HttpResponseBase, send: Send) -> None:
    """Send a response that is complete; a client that left is not an error."""
    content: bytes = response.content  # type: ignore[attr-defined]
    headers = header_list(response)
    headers.append((b"content-length", str(len(content)).encode()))
    await send(
        {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": headers,
        }
    )
    await send({"type": "http.response.body", "body": content})


async def send_stream(
    response: StreamingHttpResponse, receive: Receive, send: Send
) -> None:
    """Send a stream; when the client leaves, close its source and stop."""
    writing = asyncio.ensure_future(_write_stream(response, send))
    leaving = asyncio.ensure_future(wait_for_disconnect(receive))
    try:
        await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not writing.done():
            writing.cancel()
    await asyncio.gather(writing, leaving, return_exceptions=True)
    if not writing.cancelled() and (error := writing.exception()):
        raise error


async def _write_stream(response: StreamingHttpResponse, send: Send) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": header_list(response),
        }
    )
    async with aclosing(aiter(response)) as parts:  # type: ignore[type-var]
        async for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def wait_for_disconnect(receive: Receive) -> None:
    """Return when the client has left; a body still to come is lost."""
    while (await receive())["type"] != "http.disconnect":
        pass
