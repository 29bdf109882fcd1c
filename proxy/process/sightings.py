"""Which keys this process saw from which addresses, written down now and then.

A request costs a look into two dictionaries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings

from billing.values import clock
from portal.tenants import addresses, sightings
from portal.tenants.sightings import Seen
from proxy.process.noting import Notes

PAIRS_MAX = 5000  # between two times that they are written
HEADERS_MAX, HEADER_MAX = 10_000, 200

_Pair = tuple[int, str]


class Watch(Notes):
    about = "where keys were used from"
    flush_seconds = 10

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[_Pair, list[Any]] = {}  # first, last, requests
        self._read: dict[tuple[str, str], str] = {}

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

    def taken(self) -> Callable[[], None] | None:
        seen, self._seen = self._seen, {}
        if not seen:
            return None
        found = {pair: Seen(*values) for pair, values in seen.items()}
        return lambda: sightings.note(found)


watch = Watch()
