"""The only place that writes what the sandbox charged: one JSON line a call.

A line holds figures and ids, never a prompt. A charge counts once its line is on
disk, and a reply goes out only after that; so the journal that survives `kill -9`
is what the upstream charged, no more and no less.

The event loop never waits for the disk: a thread writes whatever lines have come
together and syncs once for all of them, so a busy sandbox does not slow down what
is measured against it.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from array import array
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from proxy.sandbox import options

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    id: str
    operation: str
    model: str
    prompt_tokens: int = 0  # media are not counted in tokens
    completion_tokens: int = 0
    credits: int
    stream: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    line: bytes
    credits: int
    done: asyncio.Future[None]


class Journal:
    """An append-only file and the figures of what is in it.

    One process owns the file (a lock sees to it), so the figures may be kept in
    memory: an offset of eight bytes a line, and the total.

    Raises: OSError when the file cannot be opened or another sandbox has it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_CREAT | os.O_RDWR | os.O_APPEND
        self._handle = os.open(path, flags, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._offsets = array("Q", [0])  # where each line starts, then the end
        self._credits = 0
        self._waiting: list[Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self._load(path)

    def close(self) -> None:
        os.close(self._handle)

    async def append(self, entry: JournalEntry) -> None:
        """Return once the entry is on disk; a caller that is cancelled meanwhile
        does not stop the writing."""
        await asyncio.shield(self.enqueue(entry))

    def enqueue(self, entry: JournalEntry) -> asyncio.Future[None]:
        """Have the entry written soon, for callers that cannot wait."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = orjson.dumps({**asdict(entry), "at": at}) + b"\n"
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(line, entry.credits, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_waiting())
        return done

    async def page(self, since: int) -> dict[str, Any]:
        """The entries from number `since` on; the figures are of all entries."""
        count = len(self._offsets) - 1
        start, end = self._offsets[min(since, count)], self._offsets[count]
        total = self._credits
        raw = await asyncio.to_thread(os.pread, self._handle, end - start, start)
        lines = b",".join(raw.splitlines())
        return {
            "entries": orjson.Fragment(b"[" + lines + b"]"),
            "total_credits": total,
            "count": count,
        }

    async def _write_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._write, [item.line for item in batch])
            except OSError as error:
                logger.error("the journal cannot be written: %s", error.strerror)
                for item in batch:
                    item.done.set_exception(error)
                    # Mark it as seen: nobody may be waiting for a cut call.
                    item.done.exception()
                continue
            for item in batch:
                self._count(len(item.line), item.credits)
                item.done.set_result(None)

    def _write(self, lines: list[bytes]) -> None:
        block = memoryview(b"".join(lines))
        try:
            while block:
                block = block[os.write(self._handle, block) :]
            os.fsync(self._handle)
        except OSError:
            # Nothing of the batch was answered, so nothing of it may stay.
            os.ftruncate(self._handle, self._offsets[-1])
            raise

    def _count(self, length: int, credits: int) -> None:
        self._offsets.append(self._offsets[-1] + length)
        self._credits += credits

    def _load(self, path: Path) -> None:
        """Count what earlier runs left. A line without its end was torn by a kill
        before anybody was answered: it is no charge and goes."""
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    self._count(len(line), orjson.loads(line)["credits"])
        os.ftruncate(self._handle, self._offsets[-1])


@cache
def current() -> Journal:
    """The journal of this process."""
    return Journal(Path(options.load().journal))
