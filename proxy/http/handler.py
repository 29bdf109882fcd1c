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
from contextlib import aclosing, suppress
from functools import cached_property
from typing import Any, Protocol

from django.core.exceptions import RequestDataTooBig
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch, get_resolver

from billing.values import numbers

logger = logging.getLogger(__name__)

# After the answer, a body that was not read is read and thrown away: for so long, while
# it arrives, and up to so many bytes.
LINGER_SECONDS = 5
LINGER_IDLE_SECONDS = 1
# How far a body may be behind; and how fast one must be whose length is unknown.
PACE_SECONDS, PACE_BYTES_A_SECOND = 10, 128 * 1024
LENGTH_MAX = 2**63  # whatever is said to be longer
LINGER_BYTES_MAX = 64 * 1024**2

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class BodyTooLarge(Exception):
    """The request's body is over the limit; what came was thrown away."""


class ClientGone(Exception):
    """The client closed its connection before the body was complete."""


class Watcher(Protocol):
    """Who wants to know whether a client got its answer; told one of the two, once."""

    def left(self) -> None:
        """The client went away before the answer, or a stream's head, was out."""

    def answered(self, response: HttpResponseBase) -> HttpResponseBase:
        """The answer, or a stream's head, goes out, to a client that is there: this
        one, or what is to be said in its place."""


class LeanRequest(ASGIRequest):
    """An ASGI request whose body is read on demand by `read_body`."""

    body_digest = b""  # set by who reads the body, if a repeat has to be recognized

    def __init__(self, scope: Message, receive: Receive) -> None:
        super().__init__(scope, io.BytesIO())
        self.arrived = time.monotonic()
        self._receive = receive
        self._is_read = False
        self._watcher: Watcher | None = None
        self._leaving: asyncio.Future[None] | None = None
        # Told of each piece's size; may refuse it.
        self.counted: Callable[[int], None] | None = None
        # Others wait while it is read: it may not fall behind.
        self.is_paced = False

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
        if self._is_read:
            return
        if not self.declared_bytes and not self.is_chunked:
            return
        left = LINGER_BYTES_MAX
        until = time.monotonic() + LINGER_SECONDS
        with suppress(TimeoutError):
            while left > 0 and not self._is_read:
                seconds = min(LINGER_IDLE_SECONDS, until - time.monotonic())
                async with asyncio.timeout(seconds):
                    message = await self.receive()
                left -= len(message.get("body", b""))

    def leaving(self) -> asyncio.Future[None]:
        """Done when the client has left. The body must have been read before."""
        if self._leaving is None:
            waiting = wait_for_disconnect(self._receive)
            self._leaving = asyncio.ensure_future(waiting)
        return self._leaving

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` whether the client gets its answer."""
        self._watcher = watcher
        self.leaving().add_done_callback(self._say_left)

    async def answered(self, response: HttpResponseBase) -> HttpResponseBase:
        """The answer goes out now; what is to be sent. (After it, a server that says
        "disconnect" may only mean that it is out.)"""
        watcher = self._watcher
        if watcher is None:
            return response
        await asyncio.sleep(0)  # what the event loop knows by now comes first
        if self.leaving().done():
            self._say_left()
            return response
        self._watcher = None
        return watcher.answered(response)

    def _say_left(self, _leaving: object = None) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.left()

    def let_go(self) -> None:
        """Give the connection back: nothing is read from here any more.

        DRF's request and view hold each other, and so this, until Python searches for
        garbage; and the server keeps a connection for as long as one may read from it.
        """
        self._receive = _nobody
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        self._say_left()  # if nothing was sent

    @property
    def is_chunked(self) -> bool:
        """The body ends when the client says so, whatever its Content-Length says."""
        return "HTTP_TRANSFER_ENCODING" in self.META

    @cached_property
    def declared_bytes(self) -> int | None:
        """How long the body is, by its Content-Length; one in chunks has none."""
        return numbers.capped(self.META.get("CONTENT_LENGTH"), most=LENGTH_MAX)

    async def read_into(
        self, take: Callable[[bytes], object], *, bytes_max: int, seconds_max: float
    ) -> None:
        """Hand the body to `take`, piece by piece.

        Raises: BodyTooLarge, before reading when Content-Length already says so;
        ClientGone; TimeoutError when the body drips for too long, or, where others
        wait for it, stalls or falls behind what it needs to be here in time.
        """
        if (self.declared_bytes or 0) > bytes_max:
            raise BodyTooLarge
        whole = None if self.is_chunked else self.declared_bytes
        size, more = 0, True
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout_at(began + seconds_max) as limit:
            while more:
                if self.is_paced:
                    seconds = self._seconds_for(size, seconds_max)
                    limit.reschedule(began + min(seconds, seconds_max))
                message = await self.receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                chunk: bytes = message.get("body", b"")
                size += len(chunk)
                if size > bytes_max:
                    raise BodyTooLarge
                if self.counted is not None:
                    self.counted(len(chunk))
                take(chunk)
                # When all is here, the message that says so is not waited for.
                more = not self._is_read and size != whole
            self._is_read = True

    def _seconds_for(self, size: int, seconds_max: float) -> float:
        """Until the next piece has to be here, from the beginning on."""
        whole = self.declared_bytes
        if whole:
            return PACE_SECONDS + seconds_max * size / whole
        return PACE_SECONDS + size / PACE_BYTES_A_SECOND

    async def read_body(self, *, bytes_max: int, seconds_max: float) -> bytes:
        """The whole body. Raises: as `read_into`."""
        # One block that goes back to the system at once: the heap keeps the place of
        # hundreds of small chunks, 22 MiB of it for a body of 20.
        body = bytearray()
        await self.read_into(body.extend, bytes_max=bytes_max, seconds_max=seconds_max)
        return bytes(body)


async def _nobody() -> Message:
    return {"type": "http.disconnect"}


class LeanHandler:
    """One URLconf of asynchronous views as an ASGI application. `not_found` and
    `crashed` answer what no view handled."""

    def __init__(
        self,
        urlconf: str,
        *,
        not_found: Callable[[LeanRequest], HttpResponseBase],
        crashed: Callable[[], HttpResponseBase],
    ) -> None:
        self._urlconf, self._not_found, self._crashed = urlconf, not_found, crashed
        # Of routes without parameters: as many as there are routes.
        self._matches: dict[str, ResolverMatch] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            request = LeanRequest(scope, receive)
        except (ValueError, LookupError, RequestDataTooBig):
            # Bytes that are no path, or a Content-Type in an encoding that is none.
            await send_whole(HttpResponse(status=400), send)
            return
        response = await self._respond(request)
        try:
            sent = await request.answered(response)
            if isinstance(sent, StreamingHttpResponse):
                await send_stream(sent, request, send)
            else:
                await send_whole(sent, send)
            await request.linger()
        finally:
            request.let_go()
            # Not response.close(): that also sends `request_finished`, for receivers
            # that tidy up after synchronous requests.
            for close in response._resource_closers:  # type: ignore[attr-defined]
                close()

    def _match(self, path: str) -> ResolverMatch:
        """The route. Raises: Http404."""
        match = self._matches.get(path)
        if match is None:
            match = get_resolver(self._urlconf).resolve(path)
            if not (match.args or match.kwargs):
                self._matches[path] = match
        return match

    async def _respond(self, request: LeanRequest) -> HttpResponseBase:
        try:
            match = self._match(request.path_info)
        except Http404:
            return self._not_found(request)
        request.resolver_match = match
        try:
            response: HttpResponseBase = await match.func(
                request, *match.args, **match.kwargs
            )
        except Exception:  # noqa: BLE001  the last door: nothing may leak past it
            # The path and the type of the fault only; a body or a key must never
            # reach the log.
            logger.exception("unhandled error in %s", match.view_name)
            return self._crashed()
        return response


def _head(response: HttpResponseBase, *more: tuple[bytes, bytes]) -> Message:
    headers = [
        (name.lower().encode("ascii"), value.encode("latin1"))
        for name, value in response.items()
    ]
    return {
        "type": "http.response.start",
        "status": response.status_code,
        "headers": [*headers, *more],
    }


async def send_whole(response: HttpResponseBase, send: Send) -> None:
    """Send a response that is complete; a client that left is not an error."""
    content: bytes = response.content  # type: ignore[attr-defined]
    length = (b"content-length", str(len(content)).encode())
    await send(_head(response, length))
    await send({"type": "http.response.body", "body": content})


async def send_stream(
    response: StreamingHttpResponse, request: LeanRequest, send: Send
) -> None:
    """Send a stream; when the client leaves, close its source and stop."""
    leaving = request.leaving()
    writing = asyncio.ensure_future(_write_stream(response, send))
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
    await send(_head(response))
    async with aclosing(aiter(response)) as parts:  # type: ignore[type-var]
        async for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def wait_for_disconnect(receive: Receive) -> None:
    """Return when the client has left; a body still to come is lost."""
    while (await receive())["type"] != "http.disconnect":
        pass
