"""Django's backend for SQLite, but for how a writer waits for its turn.

SQLite asks for its lock again after 1, 2, 5, 10 … and at last 100 milliseconds, so who
has waited longest asks least often: while 40 strangers signed in, some calls waited for
half a second for locks of 2 milliseconds (`make siege`). Here the threads of a process
stand in line, and the first of them asks every other millisecond.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import deque
from contextlib import suppress
from threading import Event, Lock
from typing import Any, ClassVar

from django.db import OperationalError
from django.db.backends.sqlite3 import base

PAUSE_SECONDS = 0.002


class Line:
    """Threads in the order in which they came; the first may go on."""

    def __init__(self) -> None:
        self._waiting: deque[Event] = deque()
        self._lock = Lock()

    def join(self, place: Event, seconds: float) -> None:
        """Wait to be the first, for so long at most; `place` is to `leave` in any
        case, also where the waiting was broken off."""
        with self._lock:
            self._waiting.append(place)
            if self._waiting[0] is place:
                place.set()
        place.wait(seconds)

    @property
    def length(self) -> int:
        return len(self._waiting)

    def leave(self, place: Event) -> None:
        with self._lock:
            with suppress(ValueError):  # it never stood there
                self._waiting.remove(place)
            if self._waiting:
                self._waiting[0].set()


class DatabaseWrapper(base.DatabaseWrapper):
    """As Django's; a transaction waits for `longest_ms`, as does any other question.

    SQLite's own waiting is switched off for a transaction that writes, and on again by
    the next question outside of one: who only writes, as the ledger does, never has to.
    """

    transaction_mode: str | None  # Django's stubs know nothing of it
    lines: ClassVar[dict[str, Line]] = {}  # by the database's name
    longest_ms = 0
    _told_ms = 0  # SQLite's own waiting, as it is now

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        made = super().get_new_connection(conn_params)
        self.longest_ms = self._told_ms = int(conn_params.get("timeout", 5) * 1000)
        return made

    def create_cursor(self, name: str | None = None) -> Any:
        self.be_patient()
        return super().create_cursor(name)

    def be_patient(self) -> None:
        """For the next question, unless a transaction has begun; cursors do it, who
        asks the driver itself has to."""
        made: Any = self.connection
        if not made.in_transaction:
            self._tell(self.longest_ms)

    def _tell(self, milliseconds: int) -> None:
        if self._told_ms != milliseconds:
            made: Any = self.connection
            made.execute(f"PRAGMA busy_timeout = {milliseconds}")
            self._told_ms = milliseconds

    def _start_transaction_under_autocommit(self) -> None:
        """Raises: OperationalError, as somebody else writes all the time."""
        if self.transaction_mode != "IMMEDIATE":  # it only reads, and waits for nobody
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
            return
        seconds = self.longest_ms / 1000
        until = time.monotonic() + seconds
        line = self.lines.setdefault(str(self.settings_dict["NAME"]), Line())
        place = Event()
        self._tell(0)
        try:
            line.join(place, seconds)
            while not self._has_begun(until):
                time.sleep(PAUSE_SECONDS)
        finally:
            line.leave(place)

    def _has_begun(self, until: float) -> bool:
        made: Any = self.connection
        try:
            with self.wrap_database_errors:
                made.execute("BEGIN IMMEDIATE")
        except OperationalError as error:
            code = getattr(error.__cause__, "sqlite_errorcode", 0)
            if code & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            return False
        return True


# A child has none of its parent's threads.
os.register_at_fork(after_in_child=DatabaseWrapper.lines.clear)
