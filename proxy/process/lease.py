"""The sign of life of a gateway process: a lease, renewed while it runs.

When a process is killed its lease runs out, and the sweep then knows that nobody
will settle the holds it left open.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import uuid

from django.conf import settings

from billing import holds, leases
from billing.values.errors import LedgerUnavailable
from proxy.process.database import write

logger = logging.getLogger(__name__)


class ProcessLease:
    """One lease for each process."""

    def __init__(self) -> None:
        # None before the start: a hold without a lease is due by its own time only.
        self.id: str | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take the lease: calls may be held under it from now on. What an earlier
        process left in the spool is settled first."""
        self.id = uuid.uuid4().hex
        await self._renew()
        self._renewing = asyncio.create_task(self._renew_for_ever())

    async def stop(self) -> None:
        """End the lease: what is still open is due at once."""
        if self._renewing:
            self._renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._renewing
        lease_id, self.id = uuid.UUID(self.id), None
        with contextlib.suppress(LedgerUnavailable):
            await write(lambda: leases.give_up(lease_id))

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(settings.LEASE_SECONDS / 3)
            try:
                await self._renew()
            except Exception:  # noqa: BLE001  without a lease no hold is left alone
                logger.exception("the lease's renewal failed; it is tried again")

    async def _renew(self) -> None:
        label = f"{socket.gethostname()}:{os.getpid()}"
        try:
            await write(
                lambda: leases.renew(
                    uuid.UUID(self.id),
                    label=label[:100],
                    seconds=settings.LEASE_SECONDS,
                )
            )
            # The database answers: settlements that it missed can follow.
            await write(holds.replay_spool)
        except LedgerUnavailable as error:
            # Calls are refused by the same fault; the next renewal tries again.
            logger.error("the lease could not be renewed: %s", error)


process_lease = ProcessLease()
