"""Tasks that nobody awaits: the event loop alone would forget them half-way."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class BackgroundTasks:
    """The tasks of one kind that run in this process."""

    def __init__(self) -> None:
        # The loop keeps only weak references to its tasks.
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` beside the caller."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def wait(self, seconds: float) -> None:
        """Let them end, for so long at most."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
