"""The database, asked from threads of its own: the event loop never waits for it.

Calls' holds and settlements do not come this way: `billing.holds.submit` has a thread
and a connection of its own for them. Every question is answered, or fails, in time: the
wait for a thread counts, and no thread is lost to a database that stands still.

What one organization wants to know or to change (`read_for`, `write_for`) has threads
apart, of which it never has all: neither another's report nor keys, prices and leases
(`read`, `write`) wait for it. So have strangers, whose keys nobody knows yet.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, connection

from billing.values.connection import bound_waits, once_more_if_lost
from billing.values.errors import LedgerUnavailable, NothingWritten
from billing.values.patience import patience
from portal.runtime.shares import Crowded, Turns
from proxy.http import refusals, shares

logger = logging.getLogger(__name__)

T = TypeVar("T")

# A client is told within ten seconds that nothing can be read.
READ_SECONDS = 8
WRITE_SECONDS = 18
# What a thread may take beyond its deadline: to notice it, and to say so.
GRACE_SECONDS = 1

# Of each kind; and how many questions of one organization may wait for one of its own.
ORGANIZATIONS_THREADS, WAITING_MAX = 2, 64
# As many for strangers; and how many of one network may wait: runs that a program has
# just opened come with new keys, all at once.
STRANGERS_WAITING_MAX = 256
# Of the time above, to wait for a thread.
TURN_SECONDS = 5

# Apart from each other: only who writes waits for rows that somebody keeps locked. And
# the sign of life waits for neither.
_readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="database-read")
_writers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="database-write")
_asking = ThreadPoolExecutor(ORGANIZATIONS_THREADS, thread_name_prefix="database-ask")
_changing = ThreadPoolExecutor(
    ORGANIZATIONS_THREADS, thread_name_prefix="database-change"
)
_knocking = ThreadPoolExecutor(ORGANIZATIONS_THREADS, thread_name_prefix="database-key")
_asking_turns = Turns(ORGANIZATIONS_THREADS, waiting_max=WAITING_MAX)
_changing_turns = Turns(ORGANIZATIONS_THREADS, waiting_max=WAITING_MAX)
_knocking_turns = Turns(ORGANIZATIONS_THREADS, waiting_max=STRANGERS_WAITING_MAX)
_lifeline = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database-lease")
_notes = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database-note")


async def read(question: Callable[[], T]) -> T:
    """The answer to a question that changes nothing. It is asked again when the
    thread's connection turns out to be lost.

    Raises: LedgerUnavailable when the database does not answer within ten seconds;
    else whatever `question` raises.
    """
    return await _answer(_readers, question, READ_SECONDS)


async def write(change: Callable[[], T]) -> T:
    """What `change` returns. It must be repeatable, with the same outcome: it is done
    again when the thread's connection turns out to be lost, and nobody knows then
    whether the first time was committed.

    Raises: LedgerUnavailable when the database does not answer within twenty seconds;
    whether the change was made is not known then. Else whatever `change` raises.
    """
    return await _answer(_writers, change, WRITE_SECONDS)


async def read_for(owner: int, question: Callable[[], T]) -> T:
    """As `read`, for one organization.

    Raises: GatewayError (429, 503) when no thread is free for it; and as `read`.
    """
    with _told_whose():
        return await _in_turn(owner, _asking_turns, _asking, question, READ_SECONDS)


async def write_for(owner: int, change: Callable[[], T]) -> T:
    """As `write`, for one organization. Raises: as `read_for` and `write`."""
    with _told_whose():
        return await _in_turn(owner, _changing_turns, _changing, change, WRITE_SECONDS)


@contextmanager
def _told_whose() -> Iterator[None]:
    """Raises: GatewayError, in place of Crowded."""
    try:
        yield
    except Crowded as crowded:
        raise shares.questions_refused(is_own=crowded.is_own) from None


async def read_for_stranger(network: str, question: Callable[[], T]) -> T:
    """As `read`, for whoever asks from a network and may be anybody.

    Raises: GatewayError (429) when too many of the network wait; and as `read`: where a
    thread does not come in time, the database has not answered those before.
    """
    try:
        return await _in_turn(
            network, _knocking_turns, _knocking, question, READ_SECONDS
        )
    except Crowded as crowded:
        if crowded.is_late:
            raise NothingWritten("the threads that look up keys are busy") from None
        raise refusals.too_many_keys() from None


async def write_sign_of_life(change: Callable[[], T]) -> T:
    """As `write`, but no other change is waited for."""
    return await _answer(_lifeline, change, WRITE_SECONDS)


async def write_if_free(change: Callable[[], T]) -> T:
    """As `write`, of what no call waits for: by one thread of its own, and once, so it
    need not be repeatable.

    Raises: LedgerUnavailable; whether the change was made is not known then.
    """
    return await _answer(_notes, change, WRITE_SECONDS, is_repeatable=False)


async def _in_turn(
    owner: Hashable,
    turns: Turns,
    threads: ThreadPoolExecutor,
    work: Callable[[], T],
    seconds: float,
) -> T:
    """Raises: Crowded; and as `read`."""
    until = time.monotonic() + seconds
    await turns.wait(owner, seconds=TURN_SECONDS)
    loop, asked = asyncio.get_running_loop(), threads.submit(_do, work, until)

    def ended(_: object) -> None:
        with suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(turns.give_back, owner)

    # Its place is taken for as long as its thread is, also when the client has gone, or
    # was told that it takes too long.
    asked.add_done_callback(ended)
    return await _in_time(asyncio.wrap_future(asked), until)


async def _answer(
    threads: ThreadPoolExecutor,
    work: Callable[[], T],
    seconds: float,
    *,
    is_repeatable: bool = True,
) -> T:
    until = time.monotonic() + seconds
    loop = asyncio.get_running_loop()
    asked = loop.run_in_executor(threads, _do, work, until, is_repeatable)
    return await _in_time(asked, until)


async def _in_time(asked: asyncio.Future[T], until: float) -> T:
    """Raises: LedgerUnavailable; what was asked is done to its end all the same."""
    try:
        async with asyncio.timeout(until - time.monotonic() + GRACE_SECONDS):
            return await asked
    except TimeoutError as error:
        raise LedgerUnavailable("the database does not answer") from error


def _do(work: Callable[[], T], until: float, is_repeatable: bool = True) -> T:
    left = until - time.monotonic()
    if left <= 0:
        raise NothingWritten("the threads that ask the database are busy")
    try:
        with patience(left):
            if is_repeatable:
                return once_more_if_lost(work)
            bound_waits()
            return work()
    except (DatabaseError, InterfaceError) as error:
        logger.error("the database did not answer: %s", error)
        connection.close()  # the next one starts with a fresh connection
        raise LedgerUnavailable(str(error)) from error
