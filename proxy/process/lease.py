"""The sign of life of a gateway process: a lease, renewed while it runs.

When a process is killed its lease runs out, and the sweep then knows that nobody
will settle the holds it left open. Without a lease that is in force no call is held:
the sweep would take its hold for an abandoned one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
import uuid

from django.conf import settings
from django.db import connection

from billing import holds, leases
from billing.values.errors import LedgerUnavailable, NothingWritten
from proxy.process.database import write_sign_of_life

logger = logging.getLogger(__name__)

# A server that starts waits so long for its first lease. Then it serves, and refuses
# calls until it has one.
START_SECONDS = 5
RETRY_SECONDS = 1


class ProcessLease:
    """One lease for each process."""

    def __init__(self) -> None:
        self._own_id: uuid.UUID | None = None
        self._until = 0.0  # monotonic: when it runs out unless it is renewed
        self._first = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def own_id(self) -> uuid.UUID:
        """The id of the lease, also before it is taken. Not made sooner than it is
        asked for: a forked process has one of its own."""
        self._own_id = self._own_id or uuid.uuid4()
        return self._own_id

    @property
    def id(self) -> str:
        """Raises: NothingWritten while no lease is in force."""
        if time.monotonic() >= self._until:
            raise NothingWritten("this process has no lease")
        return self.own_id.hex

    def trouble(self) -> str:
        """Why this process can take no calls; nothing when it can."""
        try:
            return self.id and ""
        except NothingWritten as error:
            return str(error)

    async def start(self) -> None:
        """Take the lease and keep it. Calls can be held once it is taken, which is
        when this returns, unless the database is away.

        What an earlier process left in the spool is settled beside it.
        """
        self._tasks = [
            asyncio.create_task(self._renew_for_ever()),
            asyncio.create_task(self._replay_for_ever()),
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await self._first.wait()

    async def renew(self) -> None:
        """Take the lease, or renew it. Raises: LedgerUnavailable."""
        lease_id = self.own_id
        label = f"{socket.gethostname()}:{os.getpid()}"
        began = time.monotonic()
        await write_sign_of_life(
            lambda: leases.renew(
                lease_id, label=label[:100], seconds=settings.LEASE_SECONDS
            )
        )
        self._until = began + settings.LEASE_SECONDS
        self._first.set()

    async def stop(self) -> None:
        """End the lease: what is still open is due at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        lease_id, self._until = self.own_id, 0.0
        with contextlib.suppress(LedgerUnavailable):
            await write_sign_of_life(lambda: leases.give_up(lease_id))

    async def _renew_for_ever(self) -> None:
        while True:
            is_renewed = False
            try:
                await self.renew()
                is_renewed = True
            except LedgerUnavailable as error:
                # Calls are refused by the same fault.
                logger.error("the lease could not be renewed: %s", error)
            except Exception:  # noqa: BLE001  without a lease no hold is left alone
                logger.exception("the lease's renewal failed; it is tried again")
            pause = settings.LEASE_SECONDS / 3 if is_renewed else RETRY_SECONDS
            await asyncio.sleep(pause)

    async def _replay_for_ever(self) -> None:
        """While the database answers, settlements that it missed can follow."""
        await self._first.wait()
        while True:
            try:
                await asyncio.to_thread(_replay)
            except Exception:  # noqa: BLE001  the next one may succeed
                logger.exception("the spool could not be replayed")
            await asyncio.sleep(settings.LEASE_SECONDS / 3)


def _replay() -> None:
    try:
        holds.replay_spool()
    finally:
        connection.close()


process_lease = ProcessLease()
