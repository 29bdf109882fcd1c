"""Requests to addresses that somebody else has named: to the internet, never inside.

Such an address may lead into our own network. So its host is looked up once, every
address found must be public, and the connection goes to those addresses, whatever the
name means a moment later. Redirects are not followed; time and size are bounded; no
key and no cookie of ours is sent along.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

PORTS = {"http": 80, "https": 443}
PORTS_ALLOWED = frozenset({80, 443, 8080, 8443})
URL_LENGTH_MAX = 8192
CHUNK_BYTES = 64 * 1024
OWN_HEADERS = {"accept-encoding": "identity", "user-agent": "tollgate"}
# IPv6 addresses with an IPv4 address inside: mapped, NAT64, 6to4. Where such a gateway
# exists, they lead to it. Teredo and the rest are not `is_global` to begin with.
CARRIERS = [
    ipaddress.ip_network(text)
    for text in ("::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")
]


class FetchError(Exception):
    """Nothing was fetched, or not all of it. `reason` is a word for the client."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered to something sent."""

    status: int
    retry_after: str
    beginning: bytes  # of the body


class Download:
    """A file whose headers are here and whose body is still to be read.

    `chunks` closes it at its end; who does not read it has to.
    """

    def __init__(
        self, reply: aiohttp.ClientResponse, bytes_max: int, opened: AsyncExitStack
    ) -> None:
        self._reply, self._bytes_max, self._opened = reply, bytes_max, opened
        self.content_type = reply.headers.get("content-type", "")[:200]
        self.length = reply.content_length  # None when the server does not say

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body. Raises: FetchError when it is cut, too slow or too large."""
        size = 0
        try:
            async for chunk in self._reply.content.iter_chunked(CHUNK_BYTES):
                size += len(chunk)
                if size > self._bytes_max:
                    raise FetchError("too_large")
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            is_slow = isinstance(error, TimeoutError)
            raise FetchError("timeout" if is_slow else "cut") from None
        finally:
            await self.close()

    async def close(self) -> None:
        """Drop the connection."""
        await self._opened.aclose()


LookUp = Callable[[str, int], Awaitable[tuple[str, ...]]]


def looking(threads: int, ask: Callable[..., Any] = socket.getaddrinfo) -> LookUp:
    """A way to look names up, in threads of its own.

    Whoever names a host may let its name server keep silent, for as long as the system
    waits: the event loop has few threads, and the upstream's name is looked up there.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="look-up")

    async def look_up(host: str, port: int) -> tuple[str, ...]:
        """Every address of a host. Raises: FetchError."""
        asking = partial(ask, host, port, type=socket.SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(pool, asking)
        except (OSError, UnicodeError):
            raise FetchError("unknown_host") from None
        return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))

    return look_up


look_up = looking(8)


def is_public(text: str) -> bool:
    """Whether an address is one of the internet's, and of nothing nearer."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:  # with a scope, as link-local addresses have
        return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in CARRIERS)
    )


@dataclass(frozen=True, slots=True)
class Guard:
    """What a request may reach, and for how long. The times are in seconds.

    `trusted` is a host and port that the operator has chosen: it may be anywhere, and
    be asked by any scheme.
    """

    seconds_max: float
    connect_seconds: float
    trusted: tuple[str, int] | None = None
    more_trusted: frozenset[tuple[str, int]] = frozenset()
    ports: frozenset[int] = PORTS_ALLOWED
    schemes: frozenset[str] = frozenset(PORTS)
    look_up: LookUp = look_up
    is_public: Callable[[str], bool] = is_public

    async def get(self, url: str, *, bytes_max: int) -> Download:
        """The file at `url`, to be read piece by piece. Raises: FetchError."""
        try:
            async with asyncio.timeout(self.seconds_max):
                return await self._open(*await self.check(url), bytes_max)
        except TimeoutError:
            raise FetchError("timeout") from None

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, bytes_max: int
    ) -> Reply:
        """Send `body`; what was answered, of its body so much. An answer of any status
        is one, also a redirect, which is not followed. Raises: FetchError when there
        was none."""
        try:
            async with asyncio.timeout(self.seconds_max):
                target, addresses = await self.check(url)
                async with (
                    self._session(addresses) as session,
                    session.post(
                        target,
                        data=body,
                        allow_redirects=False,
                        headers={**OWN_HEADERS, **headers},
                    ) as reply,
                ):
                    retry_after = reply.headers.get("retry-after", "")[:100]
                    text = await _beginning(reply, bytes_max)
                    return Reply(reply.status, retry_after, text)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            is_slow = isinstance(error, TimeoutError)
            raise FetchError("timeout" if is_slow else "unreachable") from None

    async def check(self, url: str) -> tuple[URL, tuple[str, ...]]:
        """The address and where its connection goes, if it may be followed.

        Raises: FetchError.
        """
        target, host, port = _parse(url)
        is_trusted = (host, port) in {self.trusted, *self.more_trusted}
        if target.scheme not in self.schemes and not is_trusted:
            raise FetchError("bad_scheme")
        if port not in self.ports and not is_trusted:
            raise FetchError("port_not_allowed")
        addresses = await self.look_up(host, port)
        if not addresses:
            raise FetchError("unknown_host")
        if not is_trusted and not all(map(self.is_public, addresses)):
            raise FetchError("address_not_public")
        return target, addresses

    async def _open(
        self, url: URL, addresses: tuple[str, ...], bytes_max: int
    ) -> Download:
        """Raises: FetchError."""
        async with AsyncExitStack() as opened:
            session = await opened.enter_async_context(self._session(addresses))
            try:
                reply = await session.get(
                    url,
                    allow_redirects=False,
                    headers=OWN_HEADERS,
                )
            except (aiohttp.ClientError, OSError) as error:
                is_slow = isinstance(error, TimeoutError)
                raise FetchError("timeout" if is_slow else "unreachable") from None
            opened.callback(reply.close)
            _refuse(reply, bytes_max)
            return Download(reply, bytes_max, opened.pop_all())

    def _session(self, addresses: tuple[str, ...]) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_Pinned(addresses),
                use_dns_cache=False,
                force_close=True,
                ssl=_tls(),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(
                total=self.seconds_max, sock_connect=self.connect_seconds
            ),
        )


def host_and_port(url: str) -> tuple[str, int]:
    """Of an address of our own settings; the port is the scheme's if none is named."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)


def _parse(url: str) -> tuple[URL, str, int]:
    """The address, its host and its port. Raises: FetchError."""
    if len(url) > URL_LENGTH_MAX or not url.isascii() or not url.isprintable():
        raise FetchError("bad_url")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        target = URL(url, encoded=True)
    except ValueError:
        raise FetchError("bad_url") from None
    if parts.scheme not in PORTS:
        raise FetchError("bad_scheme")
    # Two parsers that disagree on the host could check one and ask another.
    if not host or " " in url or "\\" in url or (target.raw_host or "").lower() != host:
        raise FetchError("bad_url")
    if "@" in parts.netloc:
        raise FetchError("userinfo_in_url")
    return target, host, PORTS[parts.scheme] if port is None else port


class _Pinned(AbstractResolver):
    """Answers with the addresses that were checked, whatever the name says now."""

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


async def _beginning(reply: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    """What comes first, at most so much; a body that is cut or slow costs nothing of
    what the status says."""
    try:
        return await reply.content.read(bytes_max)
    except (aiohttp.ClientError, OSError):
        return b""


def _refuse(reply: aiohttp.ClientResponse, bytes_max: int) -> None:
    """Raises: FetchError for an answer that is not the file itself."""
    if reply.status != 200:
        raise FetchError(f"status_{reply.status}")
    if reply.headers.get("content-encoding", "identity").lower() != "identity":
        raise FetchError("compressed")
    if (reply.content_length or 0) > bytes_max:
        raise FetchError("too_large")
