"""How long a thread waits for the database, whatever it asks there.

PostgreSQL ends by itself what waits for a lock or takes too long
(`portal.runtime.environment` says when). A server that stands still, or a line that
carries nothing, ends nothing: for those the client has a deadline too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

T = TypeVar("T")

# For one question of a thread that has set itself no deadline: longer than the server
# lets a statement run, so that it is the server who ends it.
QUESTION_SECONDS = 35


class _Thread(threading.local):
    until: float | None = None  # monotonic


_thread = _Thread()


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """What this thread asks of the database inside is answered, or fails, within so
    many seconds in all. A sooner deadline around it stays."""
    outer = _thread.until
    wanted = time.monotonic() + seconds
    _thread.until = wanted if outer is None else min(outer, wanted)
    try:
        yield
    finally:
        _thread.until = outer


def set_patience(seconds: float | None) -> None:
    """The same without an end, for what has no inside; None: as at first."""
    _thread.until = None if seconds is None else time.monotonic() + seconds


def seconds_left() -> float | None:
    """Until this thread's deadline, never below zero; None when it has set none."""
    if _thread.until is None:
        return None
    return max(0.0, _thread.until - time.monotonic())


class PatientConnection(psycopg.Connection[Any]):
    """A connection to PostgreSQL whose every wait ends by its thread's deadline."""

    def wait(
        self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None
    ) -> T:
        """As psycopg's. Raises: OperationalError at the deadline, and the connection
        is closed then: nobody knows what the server will still answer."""
        left = seconds_left()
        limit = QUESTION_SECONDS if left is None else left
        if timeout is not None and timeout < limit:
            return super().wait(gen, interval, timeout)
        until = time.monotonic() + limit
        try:
            return super().wait(gen, interval, limit)
        except psycopg.OperationalError as error:
            if time.monotonic() < until:
                raise
            self.close()
            raise psycopg.OperationalError("the server does not answer") from error
