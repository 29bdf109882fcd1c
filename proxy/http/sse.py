"""Server-sent events, taken apart from bytes that arrive in any pieces.

An event ends at an empty line; lines end in LF, CRLF or CR. Each event keeps its
bytes as they came, so what is passed on is what the upstream sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from proxy.http import foreign_json

# The end of an event: a line's end directly followed by another.
EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n|\r\n\n")
LINE_END = re.compile(rb"\r\n|\n|\r")
EVENT_BYTES_MAX = 8 * 1024**2
# Proxies that gather an answer before they hand it on are told not to.
HEADERS = {"x-accel-buffering": "no"}
# Begins the next event's block: a block of its own would be an event to some clients.
KEEP_ALIVE = b": keep-alive\n"
DONE = b"data: [DONE]\n\n"


def render(document: dict[str, Any]) -> bytes:
    """An event of ours, with this JSON as its data."""
    return b"data: " + orjson.dumps(document) + b"\n\n"


class EventTooLarge(Exception):
    """An event that does not end; the upstream is out of order."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `raw` with its ending, `data` with its lines joined."""

    raw: bytes
    data: bytes

    def document(self) -> dict[str, Any] | None:
        """The data's JSON object; None for comments and anything else."""
        if not self.data:
            return None
        try:
            document = foreign_json.parse(self.data)
        except ValueError:
            return None
        return document if isinstance(document, dict) else None


class Splitter:
    """Collects bytes and yields whole events."""

    def __init__(self, *, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._event_bytes_max = event_bytes_max
        self._buffer = b""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that `chunk` completes. Raises: EventTooLarge."""
        buffer = self._buffer + chunk if self._buffer else chunk
        start = 0
        while end := _event_end(buffer, start):
            yield parse(buffer[start:end])
            start = end
        self._buffer = buffer[start:]
        if len(self._buffer) > self._event_bytes_max:
            raise EventTooLarge

    def rest(self) -> Event | None:
        """What a stream that ended without an empty line has left, if it is data; with
        an end of its own, so that something may follow it."""
        left, self._buffer = self._buffer, b""
        event = parse(left.rstrip(b"\r\n") + b"\n\n")
        return event if event.data else None


def _event_end(buffer: bytes, start: int) -> int:
    """Where the event that begins at `start` ends; 0 while it does not."""
    plain = buffer.find(b"\n\n", start)
    if b"\r" not in buffer:
        return plain + 2 if plain >= 0 else 0
    match = EVENT_END.search(buffer, start)
    if match is None:
        return 0
    if match.end() == len(buffer) and buffer.endswith(b"\r"):
        return 0  # a CR at the very end may be the first half of a CRLF
    return match.end()


def parse(raw: bytes) -> Event:
    """The event in `raw`; comments and other fields than `data` carry no data."""
    if (
        raw.startswith(b"data: ")
        and raw.endswith(b"\n\n")
        and raw.count(b"\n") == 2
        and b"\r" not in raw
    ):
        return Event(raw, raw[6:-2])
    lines = []
    for line in LINE_END.split(raw):
        if line.startswith(b"data:"):
            value = line[5:]
            lines.append(value[1:] if value.startswith(b" ") else value)
    return Event(raw, b"\n".join(lines))
