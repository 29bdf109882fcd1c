"""What a process notes down now and then, away from the calls.

The database is asked every few seconds, on a thread that no call waits for. What is not
written yet when a process is killed is lost: no money depends on it.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable

from billing.values.errors import LedgerUnavailable
from proxy.process.database import write_if_free

logger = logging.getLogger(__name__)


class Notes(ABC):
    """What one process has seen since it was last written; `about` names it in a
    log."""

    about: str
    flush_seconds: float

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    def taken(self) -> Callable[[], None] | None:
        """What writes down all that was noted, which is forgotten here; None for
        nothing."""

    def start(self) -> None:
        self._task = asyncio.create_task(self._flush_for_ever())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.flush()

    async def flush(self) -> None:
        """Write it down. What cannot be written now is forgotten."""
        write = self.taken()
        if write is None:
            return
        try:
            await write_if_free(write)
        except LedgerUnavailable as error:
            logger.warning("%s was not written: %s", self.about, error)

    async def _flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.flush_seconds)
            try:
                await self.flush()
            except Exception:  # noqa: BLE001  the next one may succeed
                logger.exception("%s was not written", self.about)
