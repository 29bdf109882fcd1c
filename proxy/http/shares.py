"""What all organizations share of one gateway process, each its part.

None may hold more of a pool than is still free (`portal.runtime.shares`): who takes all
it can is told so, by a refusal of its own, and nobody else notices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from django.conf import settings

from portal.runtime.shares import Crowded, Shares, Turns
from proxy.http import refusals
from proxy.http.errors import GatewayError

T = TypeVar("T")

MIB = 1024**2
# Bodies that need no turn, while they arrive and are read.
SMALL_BODIES_BYTES = 64 * MIB
# What is being sent to the upstream, and waits for its answer there.
IN_FLIGHT_BYTES = 256 * MIB
DOWNLOADS_MAX = 24
# Long JSON is read in threads of its own.
READERS = 2
READING_SECONDS, READINGS_WAITING_MAX = 30, 32

small_bodies = Shares(SMALL_BODIES_BYTES)
in_flight = Shares(IN_FLIGHT_BYTES)
downloads = Shares(DOWNLOADS_MAX)
_reading = Turns(READERS, waiting_max=READINGS_WAITING_MAX)
_readers = ThreadPoolExecutor(READERS, thread_name_prefix="read")


@cache
def calls() -> Shares:
    """Of the connections to the upstream."""
    return Shares(settings.UPSTREAM_CONNECTIONS_MAX)


async def read_apart(owner: int, work: Callable[[], T]) -> T:
    """What `work` returns, done in a thread: others' calls go on meanwhile, and one
    organization does not have all threads.

    Raises: GatewayError (429, 503), else whatever `work` raises.
    """
    try:
        async with _reading.turn(owner, seconds=READING_SECONDS):
            loop = asyncio.get_running_loop()
            # Not left alone by a client that goes: its place is taken until the end.
            return await asyncio.shield(loop.run_in_executor(_readers, work))
    except Crowded as crowded:
        raise uploads_refused(crowded) from None


def uploads_refused(crowded: Crowded) -> GatewayError:
    own = refusals.too_many_own_uploads
    return (own if crowded.is_own else refusals.too_many_uploads)()


class CallPlace:
    """One call's share of the connections to the upstream, and of what is in flight."""

    def __init__(self, owner: int, count_bytes: int) -> None:
        """Raises: Crowded."""
        self._owner, self._bytes = owner, count_bytes
        self._is_taken = False
        calls().take(owner)
        try:
            in_flight.take(owner, count_bytes)
        except Crowded:
            calls().give_back(owner)
            raise
        self._is_taken = True

    def give_back(self) -> None:
        """Once or more often."""
        if self._is_taken:
            self._is_taken = False
            calls().give_back(self._owner)
            in_flight.give_back(self._owner, self._bytes)

    def __del__(self) -> None:
        self.give_back()


def check_call(owner: int, count_bytes: int) -> None:
    """Before anything is held for a call. Raises: GatewayError (429, 503)."""
    if not calls().has_room(owner):
        raise calls_refused(is_own=calls().free > 0)
    if not in_flight.has_room(owner, count_bytes):
        raise calls_refused(is_own=count_bytes <= in_flight.free)


def calls_refused(*, is_own: bool) -> GatewayError:
    return (refusals.calls_crowded if is_own else refusals.gateway_busy)()


def questions_refused(*, is_own: bool) -> GatewayError:
    return (refusals.too_many_questions if is_own else refusals.gateway_busy)()


class DownloadPlace:
    """One file on its way to a client of an organization."""

    def __init__(self, owner: int) -> None:
        """Raises: GatewayError (429, 503)."""
        self._owner, self._is_taken = owner, False
        try:
            downloads.take(owner)
        except Crowded as crowded:
            own, busy = refusals.too_many_downloads, refusals.gateway_busy
            raise (own if crowded.is_own else busy)() from None
        self._is_taken = True

    def give_back(self) -> None:
        """Once or more often."""
        if self._is_taken:
            self._is_taken = False
            downloads.give_back(self._owner)
