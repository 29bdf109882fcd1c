"""The only file that talks HTTP to the upstream: one pool, one way to fail.

httpx's requests and responses over aiohttp's connections, without httpx's client in
between: the client would add cookies, redirects and authentication flows, none of
which may ever happen here, and about a third of the CPU of a whole call.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from functools import lru_cache
from typing import cast

import aiohttp
import httpx
from django.conf import settings
from httpx_aiohttp import AiohttpTransport

from billing.values.crashpoints import crashpoint
from proxy.http.shares import CallPlace
from proxy.upstream.redaction import without_key

logger = logging.getLogger(__name__)

KEEPALIVE_SECONDS = 30
# What asyncio takes at once, however slowly the upstream reads.
SENT_AT_ONCE_BYTES = 64 * 1024

# What is read of a reply's headers.
READ = {b"content-type", b"x-request-id", b"retry-after", b"content-encoding"}

_url = lru_cache(maxsize=256)(httpx.URL)  # few are posted to, and parsing costs


class UpstreamFault(Exception):
    """The upstream did not answer as agreed. `reason` goes into the ledger."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotSent(UpstreamFault):
    """No byte of the request reached the upstream: it certainly did nothing."""


class Ambiguous(UpstreamFault):
    """The request went out and no whole answer came: it may have worked, and
    charged. Never sent again by us."""


def _session() -> aiohttp.ClientSession:
    """The pool. It keeps no cookies: one tenant's call must not colour another's."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=settings.UPSTREAM_CONNECTIONS_MAX,
            keepalive_timeout=KEEPALIVE_SECONDS,
            # httpx's own roots, so that a machine without any is no surprise.
            ssl=httpx.create_ssl_context(trust_env=False),
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


class Client:
    """The pooled connections of one process to the upstream."""

    def __init__(self) -> None:
        # Also how long the head may take, before the whole's limit begins.
        idle = min(settings.UPSTREAM_IDLE_SECONDS, settings.UPSTREAM_TOTAL_SECONDS)
        # That limit begins when the body is sent; sending it has none of its own.
        self._seconds_to_head = 2 * idle
        self._base_url = settings.UPSTREAM_BASE_URL
        self._transport = AiohttpTransport(client=_session)
        self._extensions = {
            "timeout": {
                "connect": settings.UPSTREAM_CONNECT_SECONDS,
                "pool": settings.UPSTREAM_CONNECT_SECONDS,
                "read": idle,
            }
        }
        # The whole of what goes out: nothing of the client's own headers does.
        self._headers = httpx.Headers(
            {
                "authorization": f"Bearer {settings.UPSTREAM_API_KEY}",
                "content-type": "application/json",
                "accept": "application/json, text/event-stream",
                # A compressed reply could be a bomb, and could not be passed on.
                "accept-encoding": "identity",
                "user-agent": "tollgate",
            }
        )

    async def post(self, path: str, content: bytes, *, owner: int) -> Reply:
        """Send a call of an organization's, within its share.

        Raises: Crowded, before anything is sent; NotSent, Ambiguous.
        """
        place, reply = CallPlace(owner, len(content)), None
        try:
            reply = await self._send("POST", path, content)
            crashpoint("call.answered")
            reply.place = place
        finally:
            if reply is None:
                place.give_back()
        return reply

    async def get(self, path: str) -> Reply:
        """Ask for something free. Raises: NotSent, Ambiguous."""
        return await self._send("GET", path, b"")

    async def _send(self, method: str, path: str, content: bytes) -> Reply:
        request = httpx.Request(
            method,
            _url(self._base_url + path),
            headers=self._headers,
            # Not as `content`: httpx would work out headers that aiohttp adds itself.
            stream=httpx.ByteStream(content),
            extensions=self._extensions,
        )
        request.read()
        is_large = len(content) > SENT_AT_ONCE_BYTES
        limit = asyncio.timeout(self._seconds_to_head) if is_large else nullcontext()
        try:
            async with limit:
                response = await self._transport.handle_async_request(request)
        except httpx.TransportError as error:
            raise _fault(error) from error
        except aiohttp.ClientError as error:
            # What came back is no HTTP; the transport has no name for that.
            raise Ambiguous("upstream_not_http") from error
        except TimeoutError as error:
            raise Ambiguous("upstream_timeout") from error
        return Reply(response)

    async def aclose(self) -> None:
        await self._transport.aclose()


class Reply:
    """An answer whose headers are here and whose body is still to be read."""

    def __init__(self, response: httpx.Response) -> None:
        # A call may last so long; looked at between pieces, each of which has the
        # idle limit: cheaper than a timer of its own, and never longer than both.
        self._deadline = time.monotonic() + settings.UPSTREAM_TOTAL_SECONDS
        # Straight from the connection: never decoded, never buffered whole.
        self._body = cast(httpx.AsyncByteStream, response.stream)
        self.status = response.status_code
        self.place: CallPlace | None = None
        headers = {
            name: value.decode("latin-1")
            for raw, value in response.headers.raw
            if (name := raw.lower()) in READ
        }
        self.content_type = (
            headers.get(b"content-type", "").split(";")[0].strip().lower()
        )
        self.request_id = without_key(headers.get(b"x-request-id", ""))[:128]
        self.retry_after = headers.get(b"retry-after", "")
        # Compressed although we asked for identity.
        encoding = headers.get(b"content-encoding", "").strip().lower()
        self.is_encoded = encoding not in ("", "identity")

    async def read(self) -> bytes:
        """The whole body. Raises: Ambiguous when it is cut, stalls or is too large."""
        chunks, size = [], 0
        async for chunk in self.stream():
            size += len(chunk)
            if size > settings.UPSTREAM_REPLY_BYTES_MAX:
                raise Ambiguous("upstream_reply_too_large")
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def stream(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises: Ambiguous when it is cut or stalls."""
        try:
            async for chunk in self._body:
                if time.monotonic() > self._deadline:
                    raise Ambiguous("upstream_timeout")
                yield chunk
        except httpx.TransportError as error:
            raise _fault(error) from error
        except aiohttp.ClientError as error:
            raise Ambiguous("upstream_cut") from error
        finally:
            await self.close()

    async def close(self) -> None:
        """Give the connection back, or drop it if the body was not read."""
        try:
            await self._body.aclose()
        finally:
            if self.place is not None:
                self.place.give_back()


def _fault(error: httpx.TransportError) -> UpstreamFault:
    """Whether the request can have reached the upstream.

    The transport reports a connection that the upstream closed *after* our request
    as httpx.ConnectTimeout, so its class proves nothing; aiohttp's own does.
    """
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return NotSent("upstream_unreachable")
    if isinstance(error, httpx.TimeoutException) and isinstance(
        cause, asyncio.TimeoutError
    ):
        return Ambiguous("upstream_timeout")
    return Ambiguous("upstream_cut")


_clients: dict[asyncio.AbstractEventLoop, Client] = {}


def shared() -> Client:
    """This event loop's client, with its pool."""
    loop = asyncio.get_running_loop()
    found = _clients.get(loop)
    if found is None:
        found = _clients[loop] = Client()
    return found


async def close() -> None:
    """Close this event loop's connections, for loops that end before their process."""
    found = _clients.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.aclose()
