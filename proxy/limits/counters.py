"""How much was taken of something in the last minute, by the `limits` library.

A sliding window of two counters: the last whole minute's count fades while the present
one's grows. To take is one step that takes all or nothing, in memory as in Redis. (The
library's fixed window also counts what it refuses, and its moving window keeps a row
for each token.)

With REDIS_URL all processes count together. While Redis is away each counts alone:
calls go on, and no limit is lifted.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from django.conf import settings
from limits.aio.storage import MemoryStorage, RedisStorage
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

T = TypeVar("T")
Storage = MemoryStorage | RedisStorage

MINUTE = 60
# Redis that did not answer in time is asked again after so long.
AWAY_SECONDS = 5
CONNECTIONS_MAX = 64
# Above every count: what is put right is not refused.
UNLIMITED = 2**50
# The end of a minute by two clocks.
EDGE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Window:
    """What counts now: `earlier`, which fades for so many seconds more, and `present`,
    which counts whole for so many and fades in the minute after them."""

    earlier: int
    earlier_seconds: float
    present: int
    present_seconds: float

    @property
    def used(self) -> int:
        """As the library has it. Never below zero: what is given back may be more."""
        fading = self.earlier * self.earlier_seconds / MINUTE
        return max(0, math.floor(fading + self.present))

    @property
    def reset_seconds(self) -> float:
        """Until nothing counts any more."""
        if self.present > 0:
            return self.present_seconds + MINUTE
        return self.earlier_seconds if self.earlier > 0 else 0

    def seconds_until(self, room: int) -> float:
        """Until no more than `room` counts, if nothing comes in between."""
        if self.used <= room:
            return 0
        # A count that fades is rounded down.
        if self.present <= room:  # enough of the earlier minute fades before it ends
            left = (room + 1 - self.present) * MINUTE / self.earlier
            return self.earlier_seconds - left
        left = min(MINUTE, (room + 1) * MINUTE / self.present)
        return self.present_seconds + MINUTE - left


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken, or not, where, and how things stand now."""

    name: str
    amount: int
    limit: int
    is_refused: bool
    window: Window
    storage: Storage
    until: float  # by this machine's clock: the end of the minute in which it counts


class Memory(MemoryStorage):
    """The library's, which at every count looks through all counters for those whose
    time is over, in a task of its own; here that is done once a minute."""

    _look_again = 0.0  # by the clock of the counters

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        now = time.time()
        if now >= self._look_again:
            self._look_again = now + MINUTE
            for each in [each for each, end in self.expirations.items() if end <= now]:
                await self.clear(each)
        await self.get(key)
        # Nothing is awaited from here on, so that nobody comes in between.
        self.expirations.setdefault(key, now + expiry)
        self.storage[key] += amount
        return self.storage[key]


class Counters:
    """The counters of this process, or those that all share."""

    def __init__(
        self,
        redis_url: str | None = "",
        *,
        redis_seconds: float | None = None,
        away_seconds: float = AWAY_SECONDS,
    ) -> None:
        """None: what the settings say, once it is needed."""
        self._redis_url = redis_url
        self._given_seconds, self._away_seconds = redis_seconds, away_seconds
        self._own = Memory()
        self._is_away = False
        self._ask_again = 0.0  # monotonic

    @cached_property
    def _pool(self) -> BlockingConnectionPool | None:
        named = self._redis_url
        url = settings.REDIS_URL if named is None else named
        return _connections(url, self._redis_seconds) if url else None

    @cached_property
    def _redis_seconds(self) -> float:
        """A call does not wait longer for Redis."""
        given: int = settings.REDIS_WAIT_MS
        return given / 1000 if self._given_seconds is None else self._given_seconds

    @cached_property
    def _shared(self) -> RedisStorage | None:
        if self._pool is None:
            return None
        # The library knows fewer schemes than redis-py has for its connections.
        return RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix="tollgate-rates",
            connection_pool=self._pool,  # type: ignore[arg-type]  # as its pages say
        )

    async def take(self, name: str, amount: int, limit: int) -> Taken:
        """Take `amount` of what `name` may use a minute, or nothing."""
        return await self._ask(lambda storage: _take(storage, name, amount, limit))

    async def look(self, name: str, limit: int) -> Taken:
        """As if nothing could be taken."""
        return await self._ask(lambda storage: _look(storage, name, limit))

    async def correct(self, taken: Taken, amount: int) -> None:
        """It was `amount` that was used. What is given back after its minute is over is
        lost: it fades with that minute."""
        change = amount - taken.amount
        if change == 0 or (change < 0 and time.time() > taken.until):
            return
        if self._is_away and taken.storage is self._shared:
            return  # nobody waits for it again
        try:
            async with asyncio.timeout(self._redis_seconds):
                await taken.storage.acquire_sliding_window_entry(
                    taken.name, UNLIMITED, MINUTE, change
                )
        except (RedisError, OSError, TimeoutError) as error:
            self._miss(error)

    async def close(self) -> None:
        """Leave Redis."""
        if self._pool is not None:
            await self._pool.disconnect()

    async def _ask(self, question: Callable[[Storage], Awaitable[T]]) -> T:
        if self._shared is None:
            return await question(self._own)
        now = time.monotonic()
        if self._is_away and now < self._ask_again:
            return await question(self._own)
        # Of those that come while it is away, one waits for it.
        self._ask_again = now + self._away_seconds
        try:
            async with asyncio.timeout(self._redis_seconds):
                found = await question(self._shared)
        except (RedisError, OSError, TimeoutError) as error:
            self._miss(error)
            return await question(self._own)
        if self._is_away:
            self._is_away = False
            logger.warning("Redis is back: all processes count together")
        return found

    def _miss(self, error: Exception) -> None:
        self._ask_again = time.monotonic() + self._away_seconds
        if not self._is_away:
            self._is_away = True
            logger.error("Redis is away, this process counts alone: %r", error)


def _connections(url: str, seconds: float) -> BlockingConnectionPool:
    return BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS_MAX,
        timeout=seconds,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),  # redis-py's own tries for seconds
    )


async def _take(storage: Storage, name: str, amount: int, limit: int) -> Taken:
    taken = await storage.acquire_sliding_window_entry(name, limit, MINUTE, amount)
    window = await _window(storage, name)
    until = time.time() + window.present_seconds - EDGE_SECONDS
    return Taken(name, amount, limit, not taken, window, storage, until)


async def _look(storage: Storage, name: str, limit: int) -> Taken:
    window = await _window(storage, name)
    return Taken(name, 0, limit, True, window, storage, 0)


async def _window(storage: Storage, name: str) -> Window:
    earlier, fades, present, ends = await storage.get_sliding_window(name, MINUTE)
    # The library keeps the present count for a minute after its end.
    return Window(earlier, fades, present, max(0, ends - MINUTE))


counters = Counters(redis_url=None)
