"""What this process refused, written down now and then.

A refusal costs a look into two dictionaries, and a call that is not refused, nothing;
the database is asked every few seconds, on a thread that no call waits for. What is not
written yet when a process is killed is lost: no money depends on it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from datetime import datetime
from uuid import UUID

from billing.values import clock
from billing.values.errors import LedgerUnavailable
from portal.tenants import refused
from portal.tenants.refused import Told
from proxy.process.database import write_if_free

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 5
# Between two times that they are written: counts, and keys with their latest.
COUNTS_MAX, KEYS_MAX = 1000, 100

_Counts = dict[tuple[int, datetime, str], int]


class Refusals:
    """What this process has refused since that was last written."""

    def __init__(self) -> None:
        self._counts: _Counts = {}
        self._latest: dict[int, deque[Told]] = {}
        self._task: asyncio.Task[None] | None = None

    def note(
        self,
        spender_id: int,
        request_id: str,
        *,
        code: str,
        status: int,
        message: str,
        operation: str = "",
        model: str = "",
    ) -> None:
        """A request of this key was answered so; `request_id` is that of its reply."""
        now = clock.now()
        place = spender_id, refused.quarter_of(now), code
        if place in self._counts or len(self._counts) < COUNTS_MAX:
            self._counts[place] = self._counts.get(place, 0) + 1
        latest = self._latest.get(spender_id)
        if latest is None:
            if len(self._latest) >= KEYS_MAX:
                return
            latest = self._latest[spender_id] = deque(maxlen=refused.LATEST)
        id_ = UUID(request_id.removeprefix("req_"))
        text = message.replace("\0", "")[: refused.MESSAGE_MAX]
        latest.append(
            Told(id_, spender_id, now, code, status, text, operation, model[:200])
        )

    def start(self) -> None:
        self._task = asyncio.create_task(self._flush_for_ever())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.flush()

    async def flush(self) -> None:
        """Write it down. What cannot be written now is forgotten."""
        counts, latest = self._counts, self._latest
        self._counts, self._latest = {}, {}
        if not counts and not latest:
            return
        told = [each for of_key in latest.values() for each in of_key]
        try:
            await write_if_free(lambda: refused.note(counts, told))
        except LedgerUnavailable as error:
            logger.warning("what was refused was not written: %s", error)

    async def _flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except Exception:  # noqa: BLE001  the next one may succeed
                logger.exception("what was refused was not written")


refusals_seen = Refusals()
