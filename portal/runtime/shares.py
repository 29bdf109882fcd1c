"""Pools that many share: nobody may hold more of one than is still free.

So one who takes all they can leaves half, two leave a third, and there is always room
for another. (The rule of shared buffers in switches: "dynamic thresholds".)
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass


class Crowded(Exception):
    """There is no place. `is_own`: because of what the owner itself holds; `is_late`:
    it was waited for, and did not come in time."""

    def __init__(self, *, is_own: bool, is_late: bool = False) -> None:
        super().__init__("its own share is used" if is_own else "all is used")
        self.is_own, self.is_late = is_own, is_late


class Shares:
    """So many places (or bytes) of one process, held by owners."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.used = 0
        self.held: Counter[Hashable] = Counter()

    @property
    def free(self) -> int:
        return self.most - self.used

    def has_room(self, owner: Hashable, count: int = 1) -> bool:
        return self.held.get(owner, 0) + count <= self.free

    def take(self, owner: Hashable, count: int = 1) -> None:
        """Raises: Crowded."""
        if not self.has_room(owner, count):
            raise Crowded(is_own=count <= self.free)
        self.used += count
        self.held[owner] += count

    def give_back(self, owner: Hashable, count: int = 1) -> None:
        self.used -= count
        self.held[owner] -= count
        if not self.held[owner]:
            del self.held[owner]


@dataclass(eq=False, slots=True)
class _Waiting:
    owner: Hashable
    count: int
    admitted: asyncio.Future[None]


class Turns(Shares):
    """Shares that are waited for, by so many of one owner. Owners are admitted by
    turns; the first come first of each. Who waits for their own share holds nobody up.
    """

    def __init__(self, most: int, *, waiting_max: int) -> None:
        super().__init__(most)
        self._waiting: list[_Waiting] = []
        self._waiting_max = waiting_max
        # Of those who wait or hold something: the number of their last admission.
        self._last: dict[Hashable, int] = {}
        self._admissions = 0

    @asynccontextmanager
    async def turn(
        self, owner: Hashable, count: int = 1, *, seconds: float
    ) -> AsyncIterator[None]:
        """A place for as long as the block runs. Raises: Crowded when none is free in
        so many seconds, or too many of this owner wait."""
        await self.wait(owner, count, seconds=seconds)
        try:
            yield
        finally:
            self.give_back(owner, count)

    async def wait(self, owner: Hashable, count: int = 1, *, seconds: float) -> None:
        """Take a place, when it is free. Raises: Crowded, as `turn`."""
        waits = self._waits(owner)
        if not waits and self.has_room(owner, count):
            self.take(owner, count)
            return
        if waits >= self._waiting_max:
            raise Crowded(is_own=True)
        mine = _Waiting(owner, count, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        try:
            await asyncio.wait({mine.admitted}, timeout=seconds)
        except asyncio.CancelledError:
            if mine.admitted.done():  # admitted and given up in the same instant
                self.give_back(owner, count)
            raise
        finally:
            self._waiting.remove(mine)
        if not mine.admitted.done():
            self._forget(owner)
            raise Crowded(is_own=count <= self.free, is_late=True)

    def _waits(self, owner: Hashable) -> int:
        return sum(each.owner == owner for each in self._waiting)

    def give_back(self, owner: Hashable, count: int = 1) -> None:
        super().give_back(owner, count)
        passed: set[Hashable] = set()
        for each in sorted(self._waiting, key=lambda one: self._last.get(one.owner, 0)):
            if each.owner in passed or each.admitted.done():
                continue
            if not self.has_room(each.owner, each.count):
                passed.add(each.owner)
                continue
            self.take(each.owner, each.count)
            self._admissions += 1
            self._last[each.owner] = self._admissions
            each.admitted.set_result(None)
        self._forget(owner)

    def _forget(self, owner: Hashable) -> None:
        if owner not in self.held and not self._waits(owner):
            self._last.pop(owner, None)
