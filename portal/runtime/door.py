"""The way from the public address to the pages, which are served by a process apart.

A paid call never waits for a page: what pages do (hashing a password, a report over a
year) is done elsewhere, and here each only costs a copy of its bytes. Everything has a
bound: how long a body is, how long it takes, how many pages are made at once and how
many wait, of all clients and of one address.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpcore
from django.conf import settings
from django.template.loader import render_to_string
from django.urls import Resolver404, get_resolver

from billing.values import numbers
from portal.runtime.cuts import AnswerCut
from portal.runtime.shares import Crowded, Shares, Turns
from portal.tenants import addresses

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# Who asks, told to the pages' process; from outside it is nobody's word.
PEER = b"x-tollgate-peer"
HOP_BY_HOP = {
    *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer"),
    *(b"transfer-encoding", b"upgrade", b"expect", b"content-length", PEER),
}
# For a body to arrive; for a place; for the pages' process to start; for the answer's
# head, and the pauses within the answer.
BODY_SECONDS, WAIT_SECONDS, START_SECONDS, ANSWER_SECONDS = 20, 10, 15, 60
# An export, to whoever reads slowly.
STREAM_SECONDS = 600
# Of one address.
WAITING_MAX = 32
STREAMS_MAX = 32
BODIES_BYTES_MAX = 32 * 1024**2
# An answer up to so long is taken whole, so that a slow reader keeps no place.
WHOLE_BYTES_MAX = 2 * 1024**2
RETRY_AFTER_SECONDS = 5
RETRY_PAUSE_SECONDS = 0.1


@dataclass(eq=False)
class Refused(Exception):
    """What the door says itself."""

    status: HTTPStatus
    words: str


class Door:
    """One process's way to the pages behind the Unix socket `path`."""

    def __init__(self, path: str, at_once: int) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            uds=path,
            max_connections=None,
            # No number: what is over one may be closed when a page has just got it.
            max_keepalive_connections=None,
            keepalive_expiry=5,
        )
        self._turns = Turns(at_once, waiting_max=WAITING_MAX)
        self._streams = Shares(STREAMS_MAX)
        self._bodies = Shares(BODIES_BYTES_MAX)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = _address(scope)
        try:
            refuse_unknown(scope)
            async with self._body(address, receive) as body:
                await self._answer(address, scope, body, send)
        except Crowded:
            await _say(send, HTTPStatus.SERVICE_UNAVAILABLE, BUSY)
        except Refused as refused:
            await _say(send, refused.status, refused.words)
        except ClientLeft:
            # Or it is there, and its chunks are none: the server tells both alike, and
            # says 500 in place of an answer that it does not get.
            await _say(send, HTTPStatus.BAD_REQUEST, BROKEN)

    @asynccontextmanager
    async def _body(self, address: object, receive: Receive) -> AsyncIterator[bytes]:
        """The whole body; it counts for `address` until the answer is made.

        Raises: Refused, Crowded, ClientLeft.
        """
        body, more = bytearray(), True
        bytes_max = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        try:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    while more:
                        message = await receive()
                        if message["type"] == "http.disconnect":
                            raise ClientLeft
                        chunk = message.get("body", b"")
                        if len(body) + len(chunk) > bytes_max:
                            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                            raise Refused(status, TOO_LARGE)
                        self._bodies.take(address, len(chunk))
                        body += chunk
                        more = message.get("more_body", False)
            except TimeoutError:
                raise Refused(HTTPStatus.REQUEST_TIMEOUT, TOO_SLOW) from None
            yield bytes(body)
        finally:
            self._bodies.give_back(address, len(body))

    async def _answer(
        self, address: object, scope: Scope, body: bytes, send: Send
    ) -> None:
        """Raises: Crowded, Refused when the pages do not answer."""
        whole = None
        async with AsyncExitStack() as after:
            async with self._turns.turn(address, seconds=WAIT_SECONDS):
                response = await self._ask(scope, body)
                after.push_async_callback(response.aclose)
                length = _length(response)
                if length is not None and length <= WHOLE_BYTES_MAX:
                    whole = await _read(response)
            # The place is given back: a slow reader keeps none.
            if whole is None:
                self._streams.take(address)
                after.callback(self._streams.give_back, address)
                await _pass_on(response, send)
                return
        await send(_head(response))
        await send({"type": "http.response.body", "body": whole})

    async def _ask(self, scope: Scope, body: bytes) -> httpcore.Response:
        """Raises: Refused."""
        request = httpcore.Request(
            scope["method"],
            httpcore.URL(scheme=b"http", host=b"pages", port=80, target=_target(scope)),
            headers=_headers(scope, body),
            content=body,
            extensions={"timeout": {"connect": 2, "read": ANSWER_SECONDS, "write": 10}},
        )
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                return await self._pool.handle_async_request(request)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                # It is being started, or started again; nothing was sent.
                if time.monotonic() > until:
                    logger.error("the pages' process cannot be reached")
                    raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, BUSY) from None
                await asyncio.sleep(RETRY_PAUSE_SECONDS)
            except CUT as error:
                logger.error("a page was not answered: %s", type(error).__name__)
                raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, BUSY) from None


CUT = (
    *(httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError),
    TimeoutError,
)
NOT_PASSED_BACK = HOP_BY_HOP - {b"content-length"} | {b"server", b"date"}


class ClientLeft(Exception):
    """The client is gone."""


def refuse_unknown(scope: Scope) -> None:
    """No body is read for a path that nobody answers. Raises: Refused (404)."""
    names = {name for name, _ in scope["headers"]}
    if scope["method"] in ("GET", "HEAD") and not names & {
        b"content-length",
        b"transfer-encoding",
    }:
        return
    try:
        get_resolver().resolve(scope["path"])
    except Resolver404:
        raise Refused(HTTPStatus.NOT_FOUND, NOT_FOUND) from None


def _address(scope: Scope) -> str:
    """Whose share it is: a network's. Unix sockets, and proxies that say nothing, are
    one owner."""
    client = scope.get("client") or ("", 0)
    forwarded = [v for name, v in scope["headers"] if name == b"x-forwarded-for"]
    found = addresses.client_address(
        {
            "REMOTE_ADDR": client[0],
            "HTTP_X_FORWARDED_FOR": b",".join(forwarded).decode("latin-1"),
        }
    )
    return addresses.network_of(found)


# What the server takes in a request's first line, and a client may not write there.
UNSPOKEN = re.compile(rb"[^\x21-\x7e]")


def _target(scope: Scope) -> bytes:
    query: bytes = scope.get("query_string", b"")
    path: bytes = scope["raw_path"]
    return UNSPOKEN.sub(_escaped, path + (b"?" + query if query else b""))


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


def _headers(scope: Scope, body: bytes) -> Headers:
    host, port = scope.get("client") or ("", 0)
    headers = [
        (name, value) for name, value in scope["headers"] if name not in HOP_BY_HOP
    ]
    if not any(name == b"host" for name, _ in headers):
        headers.insert(0, (b"host", b""))
    headers.append((PEER, f"{host} {port}".encode()))
    if body or scope["method"] not in ("GET", "HEAD"):
        headers.append((b"content-length", str(len(body)).encode()))
    return headers


def peer_of(scope: Scope) -> Scope:
    """The scope as it was at the door, in the pages' process."""
    client = None
    headers = []
    for name, value in scope["headers"]:
        if name == PEER:
            host, _, port = value.decode().partition(" ")
            client = (host, int(port)) if host else None
        else:
            headers.append((name, value))
    return {**scope, "headers": headers, "client": client}


def _length(response: httpcore.Response) -> int | None:
    for name, value in response.headers:
        if name.lower() == b"content-length":
            return numbers.whole(value.decode("latin-1"), most=2**63)
    return None


async def _read(response: httpcore.Response) -> bytes:
    """Raises: Refused."""
    try:
        return await response.aread()
    except CUT:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, BUSY) from None


async def _pass_on(response: httpcore.Response, send: Send) -> None:
    """Hand on an answer of any length, to whoever reads it, for so long at most."""
    await send(_head(response))
    try:
        async with asyncio.timeout(STREAM_SECONDS):
            async with aclosing(response.aiter_stream()) as parts:  # type: ignore[type-var]
                async for part in parts:
                    more = {"body": part, "more_body": True}
                    await send({"type": "http.response.body", **more})
    except CUT as error:
        raise AnswerCut(f"a page by {type(error).__name__}") from None
    await send({"type": "http.response.body", "body": b""})


def _head(response: httpcore.Response) -> Mapping[str, Any]:
    headers = [(name.lower(), value) for name, value in response.headers]
    return {
        "type": "http.response.start",
        "status": response.status,
        "headers": [(n, value) for n, value in headers if n not in NOT_PASSED_BACK],
    }


BUSY = "Too many pages are being made at this moment. Nothing was changed by this one."
TOO_LARGE = "What was sent is larger than any form here."
BROKEN = "What was sent is no HTTP."
TOO_SLOW = "What was sent came too slowly."
NOT_FOUND = "There is no such page."

_pages: dict[tuple[int, str], bytes] = {}


async def _say(send: Send, status: HTTPStatus, words: str) -> None:
    """A page that asks nobody."""
    known = (status.value, words)
    page = _pages.get(known)
    if page is None:
        context = {"code": status.value, "heading": status.phrase, "words": words}
        page = _pages[known] = render_to_string("door.html", context).encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(page)).encode()),
        (b"cache-control", b"no-store"),
        (b"content-security-policy", b"default-src 'none'; style-src 'self'"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.REQUEST_TIMEOUT):
        headers.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
    await send(
        {"type": "http.response.start", "status": status.value, "headers": headers}
    )
    await send({"type": "http.response.body", "body": page})
