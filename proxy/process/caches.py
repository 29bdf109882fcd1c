"""What a gateway process remembers between calls. None of it is truth.

A remembered key only saves a query: whether it may spend is asked again, in the
hold's own transaction. What is read here is read in threads of its own, so that the
event loop never waits for the database.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, connection

from billing.ledger.reconnecting import once_more_if_lost
from billing.pricing import rates as pricing
from billing.pricing import tariffs
from billing.pricing.rates import Rates
from billing.values.errors import BooksUnavailable
from portal.tenants import keys
from portal.tenants.keys import Identity

logger = logging.getLogger(__name__)

T = TypeVar("T")

KEY_SECONDS = 60
KEYS_MAX = 10_000
TARIFF_SECONDS = 15
RATES_MAX = 10_000  # models are named by callers

_readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="reader")


async def read(question: Callable[[], T]) -> T:
    """The answer to a database question, from a reader thread. It may be asked twice,
    when the thread's connection turns out to be lost.

    Raises: BooksUnavailable when the database does not answer; else whatever
    `question` raises.
    """
    return await asyncio.get_running_loop().run_in_executor(_readers, _ask, question)


def _ask(question: Callable[[], T]) -> T:
    try:
        return once_more_if_lost(question)
    except (DatabaseError, InterfaceError) as error:
        logger.error("the database did not answer: %s", error)
        connection.close()  # the next question starts with a fresh one
        raise BooksUnavailable(str(error)) from error


class Keys:
    """Keys that were good when last looked up, by the digest of the whole key."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Identity]] = {}

    async def identify(self, presented: str) -> Identity:
        """Who presents this key, as of the last minute.

        Raises: KeyRefused, BooksUnavailable.
        """
        digest = keys.digest(presented)
        known = self._known.get(digest)
        if known and known[0] > time.monotonic():
            return known[1]
        return await self.verify(presented)

    async def verify(self, presented: str) -> Identity:
        """Who presents this key, as of now. Raises: KeyRefused, BooksUnavailable."""
        digest = keys.digest(presented)
        self._known.pop(digest, None)
        identity = await read(lambda: keys.verify(presented))
        if len(self._known) >= KEYS_MAX:
            self._known.pop(next(iter(self._known)))
        self._known[digest] = (time.monotonic() + KEY_SECONDS, identity)
        return identity


class TariffInForce:
    """The operator's tariff, read again every few seconds."""

    def __init__(self) -> None:
        self._tariff: tuple[Rates, ...] = ()
        self._found: dict[tuple[str, str], Rates] = {}
        self._until = 0.0

    async def rates(self, operation: str, model: str) -> Rates:
        """What the model costs.

        Raises: UnpricedModel; BooksUnavailable when the tariff was never read.
        """
        if self._until < time.monotonic():
            await self._read()
        wanted = (operation, model)
        rates = self._found.get(wanted)
        if rates is None:
            rates = pricing.find(self._tariff, operation, model)
            if len(self._found) < RATES_MAX:
                self._found[wanted] = rates
        return rates

    async def _read(self) -> None:
        if self._tariff:
            # Set first: while one call reads, the others use what there is.
            self._until = time.monotonic() + TARIFF_SECONDS
        try:
            tariff = await read(tariffs.current)
        except BooksUnavailable:
            if not self._tariff:
                raise
            return
        self._tariff, self._found = tariff, {}
        self._until = time.monotonic() + TARIFF_SECONDS


known_keys = Keys()
tariff = TariffInForce()
