"""The only place that writes what the sandbox charged: one JSON line a call.

A charge counts once its line is on disk, and a reply goes out only after that; so the
journal that survives `kill -9` is what the upstream charged, no more and no less.

The event loop never waits for the disk: a thread writes whatever lines have come
together and syncs once for all of them, so a busy sandbox does not slow down what
is measured against it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from proxy.sandbox import options


class Journal:
    """An append-only file, which one process owns: a lock sees to it.

    Raises: OSError when the file cannot be opened or another sandbox has it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_CREAT | os.O_RDWR | os.O_APPEND
        self._handle = os.open(path, flags, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A line without its end was torn by a kill before anybody was answered: it is
        # no charge and goes.
        self._size = path.read_bytes().rfind(b"\n") + 1
        os.ftruncate(self._handle, self._size)
        self._lines: list[bytes] = []  # of the next writing
        self._next: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    def close(self) -> None:
        os.close(self._handle)

    async def append(self, entry: dict[str, Any]) -> None:
        """Return once the entry is on disk; a caller that is cancelled meanwhile
        does not stop the writing. Raises: OSError; the entry is not in the file."""
        await asyncio.shield(self.enqueue(entry))

    def enqueue(self, entry: dict[str, Any]) -> asyncio.Task[None]:
        """Have the entry written soon, for callers that cannot wait."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._lines.append(orjson.dumps({**entry, "at": at}) + b"\n")
        if self._next is None:
            self._next = asyncio.create_task(self._write_next())
        return self._next

    async def page(self, since: int) -> dict[str, Any]:
        """The entries from number `since` on; the figures are of all entries."""
        raw = await asyncio.to_thread(os.pread, self._handle, self._size, 0)
        entries = [orjson.loads(line) for line in raw.splitlines()]
        return {
            "entries": entries[since:],
            "total_credits": sum(entry["credits"] for entry in entries),
            "count": len(entries),
        }

    async def _write_next(self) -> None:
        async with self._turn:
            block, self._lines, self._next = b"".join(self._lines), [], None
            await asyncio.to_thread(self._write, block)

    def _write(self, block: bytes) -> None:
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[os.write(self._handle, rest) :]
            os.fsync(self._handle)
        except OSError:
            # Nothing of the block was answered, so nothing of it may stay.
            os.ftruncate(self._handle, self._size)
            raise
        self._size += len(block)


@cache
def current() -> Journal:
    return Journal(Path(options.load().journal))
