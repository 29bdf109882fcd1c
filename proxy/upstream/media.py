"""What the upstream made: fetched from the addresses in its answer, and nowhere else.

An address in an answer is still somebody else's word. It may lead to the internet
only, never into our own network; the one exception is the upstream's own host, which
the operator has chosen. A name is looked up once, and the connection goes to the
addresses that were checked, so that a name that changes its mind finds nobody.
Nothing of ours is sent along: no key, no cookie.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote_to_bytes, urlsplit

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings
from yarl import URL

from proxy.http.errors import SERVER, GatewayError

PORTS = {"http": 80, "https": 443}
PORTS_ALLOWED = {80, 443, 8080, 8443}
URL_LENGTH_MAX = 8192
CHUNK_BYTES = 64 * 1024
# Addresses that carry an IPv4 address inside: NAT64 and 6to4. Where such a gateway
# exists, they lead to it. Teredo and the rest are not `is_global` to begin with.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class MediaError(Exception):
    """Nothing was fetched, or not all of it. `reason` is a word for the client."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Media:
    """A fetched file."""

    content: bytes
    content_type: str  # as its server says; "" if it does not


@dataclass(frozen=True, slots=True)
class Target:
    """A checked address: where the connection goes, whatever the name says later."""

    url: URL
    host: str
    port: int
    addresses: tuple[str, ...]


class Download:
    """A file whose headers are here and whose body is still to be read.

    `chunks` closes it at its end; who does not read it has to.
    """

    def __init__(
        self, session: aiohttp.ClientSession, reply: aiohttp.ClientResponse, most: int
    ) -> None:
        self._session, self._reply, self._bytes_max = session, reply, most
        self.content_type = reply.headers.get("content-type", "")[:200]
        self.length = reply.content_length  # None when the server does not say

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body. Raises: MediaError when it is cut, too slow or too large."""
        size = 0
        try:
            async for chunk in self._reply.content.iter_chunked(CHUNK_BYTES):
                size += len(chunk)
                if size > self._bytes_max:
                    raise MediaError("too_large")
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            is_slow = isinstance(error, TimeoutError)
            raise MediaError("timeout" if is_slow else "cut") from None
        finally:
            await self.close()

    async def close(self) -> None:
        """Drop the connection."""
        self._reply.close()
        await self._session.close()


async def fetch(url: str, *, bytes_max: int) -> Media:
    """The whole file. A data URI is its own file. Raises: MediaError."""
    if url[:5].lower() == "data:":
        return _decoded(url, bytes_max)
    download = await open_url(url, bytes_max=bytes_max)
    content = bytearray()
    async with aclosing(download.chunks()) as chunks:  # type: ignore[type-var]
        async for chunk in chunks:
            content += chunk
    return Media(bytes(content), download.content_type)


async def open_url(url: str, *, bytes_max: int) -> Download:
    """The file, to be read piece by piece. Raises: MediaError."""
    try:
        async with asyncio.timeout(settings.MEDIA_SECONDS_MAX):
            return await _open(await check(url), bytes_max)
    except TimeoutError:
        raise MediaError("timeout") from None


async def check(url: str) -> Target:
    """Where `url` leads, if it may be followed. Raises: MediaError."""
    if len(url) > URL_LENGTH_MAX or not url.isascii() or not url.isprintable():
        raise MediaError("bad_url")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        target = URL(url, encoded=True)
    except ValueError:
        raise MediaError("bad_url") from None
    if parts.scheme not in PORTS:
        raise MediaError("bad_scheme")
    # Two parsers that disagree on the host could check one and ask another.
    if not host or " " in url or "\\" in url or (target.raw_host or "").lower() != host:
        raise MediaError("bad_url")
    if "@" in parts.netloc:
        raise MediaError("userinfo_in_url")
    if port is None:
        port = PORTS[parts.scheme]
    is_own = (host, port) == _upstreams_own()
    if port not in PORTS_ALLOWED and not is_own:
        raise MediaError("port_not_allowed")
    addresses = await _resolve(host, port)
    if not is_own and not all(_is_public(address) for address in addresses):
        raise MediaError("address_not_public")
    return Target(target, host, port, addresses)


def _upstreams_own() -> tuple[str, int]:
    own = urlsplit(settings.UPSTREAM_BASE_URL)
    return own.hostname or "", own.port or PORTS.get(own.scheme, 0)


async def _resolve(host: str, port: int) -> tuple[str, ...]:
    """Every address of a host, looked up once. Raises: MediaError."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise MediaError("unknown_host") from None
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses:
        raise MediaError("unknown_host")
    return addresses


def _is_public(text: str) -> bool:
    """Whether an address is one of the internet's, and of nothing nearer."""
    try:
        address: Address = ipaddress.ip_address(text)
    except ValueError:  # with a scope, as link-local addresses have
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return False
        if any(address in net for net in (NAT64, NAT64_LOCAL, SIX_TO_FOUR)):
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
    )


class _Pinned(AbstractResolver):
    """Answers with the addresses that were checked, whatever the name says now."""

    def __init__(self, target: Target) -> None:
        self._target = target

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
            for address in self._target.addresses
        ]

    async def close(self) -> None:
        pass


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


async def _open(target: Target, bytes_max: int) -> Download:
    """Raises: MediaError."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=_Pinned(target), use_dns_cache=False, force_close=True, ssl=_tls()
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(
            total=settings.MEDIA_SECONDS_MAX,
            sock_connect=settings.UPSTREAM_CONNECT_SECONDS,
        ),
    )
    reply = download = None
    try:
        reply = await session.get(
            target.url,
            allow_redirects=False,
            headers={"accept-encoding": "identity", "user-agent": "tollgate"},
        )
        _refuse(reply, bytes_max)
        download = Download(session, reply, bytes_max)
    except (aiohttp.ClientError, OSError) as error:
        is_slow = isinstance(error, TimeoutError)
        raise MediaError("timeout" if is_slow else "unreachable") from None
    finally:
        if download is None:
            if reply is not None:
                reply.close()
            await session.close()
    return download


def _refuse(reply: aiohttp.ClientResponse, bytes_max: int) -> None:
    """Raises: MediaError for an answer that is not the file itself."""
    if reply.status != 200:
        raise MediaError(f"status_{reply.status}")
    if reply.headers.get("content-encoding", "identity").lower() != "identity":
        raise MediaError("compressed")
    if (reply.content_length or 0) > bytes_max:
        raise MediaError("too_large")


def _decoded(url: str, bytes_max: int) -> Media:
    """A data URI's content. Raises: MediaError."""
    head, comma, data = url[5:].partition(",")
    content_type, *parameters = head.split(";")
    if not comma:
        raise MediaError("bad_url")
    # Base64 is four characters for three bytes; escapes are longer than their bytes.
    if len(data) * 3 // 4 > bytes_max + 3 and "%" not in data:
        raise MediaError("too_large")
    content = unquote_to_bytes(data)
    if "base64" in (parameter.strip().lower() for parameter in parameters):
        try:
            content = base64.b64decode(content, validate=True)
        except binascii.Error:
            raise MediaError("bad_url") from None
    if len(content) > bytes_max:
        raise MediaError("too_large")
    return Media(content, content_type.strip().lower())


def unavailable(urls: list[str], reason: str) -> GatewayError:
    """502: the call was made and charged, and what it made cannot be fetched."""
    shown = [url for url in urls if url[:5].lower() != "data:"]
    return GatewayError(
        502,
        SERVER,
        "media_unavailable",
        "The call was made and charged, but its result could not be fetched from the "
        f"upstream's storage ({reason}). Fetch it yourself from error.metadata.urls.",
        metadata={"reason": reason, "urls": shown},
    )
