"""What the upstream made: fetched from the addresses in its answer.

An address in an answer is somebody else's word, so `portal/outbound` guards the
way. The upstream's own host is the one exception: the operator has chosen it, and it
may be in our own network.
"""

from __future__ import annotations

import base64
import binascii
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from django.conf import settings

from portal import outbound
from portal.outbound import Download, FetchError


@dataclass(frozen=True, slots=True)
class Media:
    """A fetched file."""

    content: bytes
    content_type: str  # as its server says; "" if it does not


async def fetch(url: str, *, bytes_max: int) -> Media:
    """The whole file. A data URI is its own file. Raises: FetchError."""
    if url[:5].lower() == "data:":
        return _decoded(url, bytes_max)
    download = await open_url(url, bytes_max=bytes_max)
    content = bytearray()
    async with aclosing(download.chunks()) as chunks:  # type: ignore[type-var]
        async for chunk in chunks:
            content += chunk
    return Media(bytes(content), download.content_type)


async def open_url(url: str, *, bytes_max: int) -> Download:
    """The file, to be read piece by piece. Raises: FetchError."""
    guard = outbound.Guard(
        seconds_max=settings.MEDIA_SECONDS_MAX,
        connect_seconds=settings.UPSTREAM_CONNECT_SECONDS,
        trusted=outbound.host_and_port(settings.UPSTREAM_BASE_URL),
    )
    return await guard.get(url, bytes_max=bytes_max)


def _decoded(url: str, bytes_max: int) -> Media:
    """A data URI's content. Raises: FetchError."""
    head, comma, data = url[5:].partition(",")
    content_type, *parameters = head.split(";")
    if not comma:
        raise FetchError("bad_url")
    # Base64 is four characters for three bytes; escapes are longer than their bytes.
    if len(data) * 3 // 4 > bytes_max + 3 and "%" not in data:
        raise FetchError("too_large")
    content = unquote_to_bytes(data)
    if "base64" in (parameter.strip().lower() for parameter in parameters):
        try:
            content = base64.b64decode(content, validate=True)
        except binascii.Error:
            raise FetchError("bad_url") from None
    if len(content) > bytes_max:
        raise FetchError("too_large")
    return Media(content, content_type.strip().lower())
