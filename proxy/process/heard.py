"""What only this process knows: whether its clients had their answers.

That one had not is written at once, by its attempt's row. Whoever finds nothing there
asks this process by its lease (`billing.leases`), while there are attempts that may be
asked about. It is answered within LOOK_SECONDS and NOTICE_SECONDS where the process is
not late and all replies are written, else later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from uuid import UUID

from django.conf import settings

from billing import leases
from billing.values.errors import LedgerUnavailable
from proxy.process.database import read, write

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
# A client that left is known to have left so soon after it did, on a machine that is
# not busy; on a busy one as much later as this process is late.
NOTICE_SECONDS = 0.1
# How much of what it was late this process still reckons with, from look to look.
LATE_SHARE, LATE_SECONDS_MAX = 0.9, 2.0
# Beyond the time for which an attempt is asked about, by whatever clock.
SLACK_SECONDS = 60


class Heard:
    """The marks that are still to be written, and who writes them."""

    def __init__(self) -> None:
        # An attempt's hold, and by whom it was joined ("": its own client).
        self._lost: set[tuple[str, str]] = set()
        # What has to be written before this process can say that it has no more.
        # Each says whether it is.
        self.first: list[Callable[[], bool]] = []
        # How late this process lately did what it had to do; what it says of its
        # clients' times may be wrong by as much.
        self.late_seconds = 0.0
        self._may_be_asked_until = 0.0  # monotonic
        self._changed = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None

    def expect_questions(self) -> None:
        """There is an attempt that somebody may ask about."""
        is_asleep = self._may_be_asked_until < time.monotonic()
        longest = settings.REPLAY_SECONDS + settings.UPSTREAM_TOTAL_SECONDS
        self._may_be_asked_until = time.monotonic() + longest + SLACK_SECONDS
        if is_asleep:
            self._changed.set()

    def look(self) -> None:
        """Somebody has asked just now."""
        self._changed.set()

    def lost(self, hold_id: str, *, joined_by: str = "") -> None:
        """The client whose answer this was has gone without it. It is written soon."""
        self._lost.add((hold_id, joined_by))
        self._changed.set()

    def start(self, lease_id: UUID) -> None:
        self._changed = asyncio.Event()
        self._telling = asyncio.create_task(self._tell_for_ever(lease_id))

    async def stop(self, lease_id: UUID) -> None:
        """Write the last of it. After this there is nobody left to ask."""
        if self._telling is not None:
            self._telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._telling
        with contextlib.suppress(LedgerUnavailable):
            await self._tell(lease_id)

    async def _tell_for_ever(self, lease_id: UUID) -> None:
        while True:
            await self._sleep()
            try:
                await self._tell(lease_id)
            except LedgerUnavailable:  # logged where it was met
                await asyncio.sleep(LOOK_SECONDS)
            except Exception:  # noqa: BLE001  it must outlive whatever happens
                logger.exception("the attempts' marks are not written")
                await asyncio.sleep(LOOK_SECONDS)

    async def _sleep(self) -> None:
        """Until something has changed, or may have; and see how late that is."""
        began = time.monotonic()
        is_asleep = self._may_be_asked_until < began
        try:
            async with asyncio.timeout(None if is_asleep else LOOK_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            late = time.monotonic() - began - LOOK_SECONDS
            late = min(late, LATE_SECONDS_MAX)
            self.late_seconds = max(late, self.late_seconds * LATE_SHARE)
        self._changed.clear()

    async def _tell(self, lease_id: UUID) -> None:
        """Raises: LedgerUnavailable; the marks are kept for the next time."""
        number = await read(lambda: leases.question(lease_id))
        if number is not None:
            # The question is about clients who may have left just before it.
            await asyncio.sleep(NOTICE_SECONDS + self.late_seconds)
            if not await self._has_written():
                number = None  # it is answered when all is there
        # After the question was read, so that whatever came before it is among them.
        lost = frozenset(self._lost)
        if number is None and not lost:
            return
        await write(lambda: leases.answer(lease_id, number, lost))
        self._lost -= lost

    async def _has_written(self) -> bool:
        written = [await asyncio.to_thread(write_out) for write_out in self.first]
        return all(written)


heard = Heard()
