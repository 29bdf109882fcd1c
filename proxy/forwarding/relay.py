"""The client's end of a stream: a bounded queue, thrown away once it has left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

# Events a slow client may be behind; then the upstream has to wait too.
QUEUE_EVENTS_MAX = 64
# Seconds a client may take nothing at all before it counts as gone.
CLIENT_STALL_SECONDS = 60


class Relay:
    """The client's end. An object with `close`, not a generator: the `finally` of a
    generator that never started does not run when a client leaves that early."""

    def __init__(self, on_close: Callable[[], object]) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_EVENTS_MAX)
        self._on_close = on_close
        self.is_finished = False
        self.is_abandoned = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        part = await self._queue.get()
        if part is None:
            raise StopAsyncIteration
        return part

    async def put(self, part: bytes | None) -> None:
        """Hand on `part`; to nobody, once the client is gone."""
        if self.is_abandoned:
            return
        if not self._queue.full():
            self._queue.put_nowait(part)
            return
        try:
            async with asyncio.timeout(CLIENT_STALL_SECONDS):
                await self._queue.put(part)
        except TimeoutError:
            self.close()

    async def finish(self) -> None:
        await self.put(None)
        self.is_finished = True

    def close(self) -> None:
        """The client is gone, or has everything."""
        if self.is_abandoned or self.is_finished:
            return
        self.is_abandoned = True
        while not self._queue.empty():  # a reader blocked on a full queue goes on
            self._queue.get_nowait()
        self._queue.put_nowait(None)
        self._on_close()
