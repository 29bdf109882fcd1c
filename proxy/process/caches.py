"""What a gateway process remembers between calls. None of it is truth.

A remembered key only saves a query: whether it may spend is asked again, in the
hold's own transaction.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial

from billing.pricing import lessons, tariffs
from billing.pricing.rates import Rates, rates_for
from billing.values.errors import LedgerUnavailable
from portal.tenants import addresses, key_format, keys
from portal.tenants.errors import KeyRefused, MalformedKey
from portal.tenants.keys import Identity
from proxy.models import Installation
from proxy.process.background import BackgroundTasks
from proxy.process.database import read, read_for_stranger, write

KEY_SECONDS = 60
KEYS_MAX = 10_000
TARIFF_SECONDS = 15
RATES_MAX = 10_000  # models are named by callers


class Keys:
    """Keys that were good when last looked up, by the digest of the whole key."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Identity]] = {}

    async def identify(
        self, presented: str, meta: Mapping[str, str] | None = None
    ) -> Identity:
        """Who presents this key, as of the last minute. Raises: as `verify`."""
        digest = key_format.digest(presented)
        known = self._known.get(digest)
        if known and known[0] > time.monotonic():
            return known[1]
        return await self.verify(presented, meta)

    async def verify(
        self, presented: str, meta: Mapping[str, str] | None = None
    ) -> Identity:
        """Who presents this key, as of now; `meta` is of the request that brings it,
        where it may be a stranger's.

        Raises: KeyRefused, LedgerUnavailable; GatewayError (429) when a network brings
        too many that nobody knows.
        """
        if not key_format.is_well_formed(presented):
            raise MalformedKey  # no thread for what no key can be
        digest, look = key_format.digest(presented), partial(keys.verify, presented)
        try:
            if meta is None or digest in self._known:
                identity = await read(look)
            else:
                network = addresses.network_of(addresses.client_address(meta))
                identity = await read_for_stranger(network, look)
        except KeyRefused:
            self._known.pop(digest, None)
            raise
        self._known.pop(digest, None)  # the latest one stands last
        if len(self._known) >= KEYS_MAX:
            self._known.pop(next(iter(self._known)))
        self._known[digest] = (time.monotonic() + KEY_SECONDS, identity)
        return identity


_reading = BackgroundTasks()


class TariffInForce:
    """The operator's tariff, read again every few seconds."""

    def __init__(self) -> None:
        self._tariff: tuple[Rates, ...] = ()
        self._found: dict[tuple[str, str], Rates] = {}
        self._dearest: dict[str, Rates] = {}
        self._marks: dict[str, str] = {}
        self._until = 0.0

    async def rates(self, operation: str, model: str) -> Rates:
        """What the model costs.

        Raises: UnpricedModel; LedgerUnavailable when the tariff was never read.
        """
        if self._until < time.monotonic():
            if self._tariff:
                # Nobody waits for the new one: it is in force when it is here.
                self._until = time.monotonic() + TARIFF_SECONDS
                _reading.start(self._read())
            else:
                await self._read()
        wanted = (operation, model)
        rates = self._found.get(wanted)
        if rates is None:
            rates = rates_for(self._tariff, operation, model)
            if len(self._found) < RATES_MAX:
                self._found[wanted] = rates
        return rates

    def dearest(self, rates: Rates) -> Rates:
        """What makes the operation of `rates`, a row that was found here, dearest."""
        found = self._dearest.get(rates.operation)
        if found is None:
            found = lessons.dearest((*self._tariff, rates), rates.operation)
            self._dearest[rates.operation] = found
        return found

    def mark(self, rates: Rates) -> str:
        """What tells `rates`, a row that was found here, from any other."""
        row = f"{rates.operation} {rates.model}"
        found = self._marks.get(row)
        if found is None:
            found = self._marks[row] = lessons.mark_of(rates)
        return found

    async def _read(self) -> None:
        try:
            tariff = await read(tariffs.current)
        except LedgerUnavailable:
            if not self._tariff:
                raise
            return
        self._tariff, self._found = tariff, {}
        self._dearest, self._marks = {}, {}
        self._until = time.monotonic() + TARIFF_SECONDS


class DigestKey:
    """The installation's own key for digests; it never changes."""

    def __init__(self) -> None:
        self._key: bytes | None = None

    async def get(self) -> bytes:
        """Raises: LedgerUnavailable when it was never read."""
        if self._key is None:
            self._key = await write(lambda: bytes(Installation.the().digest_key))
        return self._key


digest_key = DigestKey()
known_keys = Keys()
tariff = TariffInForce()
