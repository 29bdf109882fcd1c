"""HTTP/1.1 at byte level: the only file of the upstream that knows the framing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

HEAD_BYTES_MAX = 256 * 1024


class Disconnect(Exception):
    """The other side closed or broke the connection in mid-message."""


class WatchedReader(asyncio.StreamReader):
    """A reader that also tells, while nobody reads, that the client has gone."""

    def __init__(self) -> None:
        super().__init__(limit=HEAD_BYTES_MAX)
        self.gone = asyncio.Event()

    def feed_eof(self) -> None:
        self.gone.set()
        super().feed_eof()

    def set_exception(self, exc: BaseException) -> None:
        self.gone.set()
        super().set_exception(exc)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request exactly as it came; header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]
    raw_headers: tuple[tuple[str, str], ...]
    raw_body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def parse_json(self) -> Any:
        """The body as JSON, or None: a journal must not fail on a bad body."""
        try:
            return json.loads(self.raw_body) if self.raw_body else None
        except ValueError:
            return None


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a kept-alive connection; None when there is no more.

    Raises: Disconnect in mid-request.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    request_line, *lines = head[:-4].decode("latin-1").split("\r\n")
    method, target, _version = request_line.split(" ", 2)
    raw_headers = tuple(_header(line) for line in lines)
    headers: dict[str, str] = {}
    for name, value in raw_headers:
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    try:
        raw_body = await _read_body(reader, headers)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise Disconnect from error
    return Request(
        method=method,
        target=target,
        headers=headers,
        raw_headers=raw_headers,
        raw_body=raw_body,
    )


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.strip()


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = bytearray()
    while size := int((await reader.readline()).split(b";")[0] or b"0", 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readline()
    return bytes(body)


def head(status: int, headers: list[tuple[str, str]]) -> bytes:
    """A status line and headers, ready for the wire."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; `chunk(b"")` ends it."""
    return b"%x\r\n%s\r\n" % (len(data), data)
