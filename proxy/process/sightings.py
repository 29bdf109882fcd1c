"""Which keys this process saw from which addresses, written down now and then.

A request costs a look into two dictionaries; the database is asked every few seconds,
on a thread that no call waits for. What is not written yet when a process is killed is
lost: no money depends on it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from billing.values import clock
from billing.values.errors import LedgerUnavailable
from portal.tenants import addresses, sightings
from portal.tenants.sightings import Seen
from proxy.process.database import write

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 10
PAIRS_MAX = 5000  # between two times that they are written
HEADERS_MAX, HEADER_MAX = 10_000, 200

_Pair = tuple[int, str]


class Watch:
    """What this process has seen since it was last written."""

    def __init__(self) -> None:
        self._seen: dict[_Pair, list[Any]] = {}  # first, last, requests
        self._read: dict[tuple[str, str], str] = {}
        self._task: asyncio.Task[None] | None = None

    def see(self, spender_id: int, meta: Mapping[str, Any]) -> None:
        """A request of this key's secret."""
        if not settings.KEY_ADDRESS_DAYS:
            return
        address = self._address(meta)
        if not address:
            return
        now = clock.now()
        known = self._seen.get((spender_id, address))
        if known is not None:
            known[1] = now
            known[2] += 1
        elif len(self._seen) < PAIRS_MAX:
            self._seen[spender_id, address] = [now, now, 1]

    def _address(self, meta: Mapping[str, Any]) -> str:
        """Empty where nobody knows. What was read is remembered, unless it is long."""
        hops = meta.get("HTTP_X_FORWARDED_FOR", "") if settings.TRUSTED_PROXIES else ""
        headers = meta.get("REMOTE_ADDR", ""), hops
        address = self._read.get(headers)
        if address is None:
            if len(self._read) >= HEADERS_MAX:
                self._read.clear()
            address = str(addresses.client_address(meta) or "")
            if len(hops) <= HEADER_MAX:
                self._read[headers] = address
        return address

    def start(self) -> None:
        self._task = asyncio.create_task(self._flush_for_ever())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.flush()

    async def flush(self) -> None:
        """Write it down. What cannot be written now is forgotten."""
        taken, self._seen = self._seen, {}
        if not taken:
            return
        found = {pair: Seen(*values) for pair, values in taken.items()}
        try:
            await write(lambda: sightings.note(found))
        except LedgerUnavailable as error:
            logger.warning("where keys were used from was not written: %s", error)

    async def _flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except Exception:  # noqa: BLE001  the next one may succeed
                logger.exception("where keys were used from was not written")


watch = Watch()
