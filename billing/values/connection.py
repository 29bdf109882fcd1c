"""What a thread does with its connection, whoever asks by it.

A connection that was lost while nobody used it is noticed by the next question: a
database that was restarted, or a firewall that forgot an idle line, would cost each
thread one refused call, although the database answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    InterfaceError,
    connection,
    connections,
    transaction,
)

from billing.values import errors
from billing.values.patience import patience, seconds_left

T = TypeVar("T")

# For who reads the whole database.
SNAPSHOT_SECONDS = 3600


def once_more_if_lost(work: Callable[[], T]) -> T:
    """What `work` returns; tried again if it failed because this thread's connection,
    which was open before, is lost, and there is time left. Only for what may be done
    twice: nobody knows whether the first attempt was committed.

    Raises: what `work` raises.
    """
    own = connections[DEFAULT_DB_ALIAS]
    was_open = own.connection is not None and not own.in_atomic_block
    bound_waits()
    try:
        return work()
    except (errors.LedgerUnavailable, DatabaseError, InterfaceError) as error:
        if not was_open or seconds_left() == 0 or connection.is_usable():
            raise
        first = error
        connection.close()
    try:
        return work()
    except errors.NothingWritten as second:
        if isinstance(first, errors.NothingWritten):
            raise
        # That is true of the second attempt only.
        raise errors.LedgerUnavailable(str(second)) from first


def bound_waits() -> None:
    """SQLite: a writer queues until its thread's deadline, at the longest."""
    own: Any = connections[DEFAULT_DB_ALIAS]
    left = seconds_left()
    if own.vendor != "sqlite" or left is None or own.connection is None:
        return
    longest: float = own.settings_dict["OPTIONS"].get("timeout", 5)
    # In whole seconds: a text for each millisecond would fill the driver's cache.
    own.longest_ms = 1000 * int(min(longest, max(1, round(left))))


@contextmanager
def snapshot(seconds: float = SNAPSHOT_SECONDS) -> Iterator[None]:
    """One committed state for all that is read inside, for so long at most. No writer
    waits for it. Inside a transaction it is the caller's, and changes nothing."""
    if connection.in_atomic_block:
        yield
        return
    with patience(seconds), _deferred(), transaction.atomic():
        if connection.vendor == "postgresql":
            _read_only(seconds)
        yield


@contextmanager
def _deferred() -> Iterator[None]:
    """SQLite: a transaction of ours locks the file for writing when it begins; one
    that only reads must not."""
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()  # or connecting would set the mode again
    wrapper: Any = connection
    usual, wrapper.transaction_mode = wrapper.transaction_mode, "DEFERRED"
    try:
        yield
    finally:
        wrapper.transaction_mode = usual


def _read_only(seconds: float) -> None:
    """PostgreSQL: every statement sees the same state, and may take its time."""
    milliseconds = int(seconds * 1000)
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute(f"SET LOCAL {limit} = {milliseconds}")
