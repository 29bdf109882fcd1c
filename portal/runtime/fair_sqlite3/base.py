"""Django's backend for SQLite, but for how a writer waits for its turn.

SQLite asks again after 1, 2, 5, 10 … and at last 100 milliseconds, so who has waited
longest asks least often: while 40 strangers signed in, some calls waited for half a
second for locks of 2 milliseconds (`make siege`). Here all ask equally often.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from django.db import OperationalError
from django.db.backends.sqlite3 import base

PAUSE_SECONDS = 0.002


class DatabaseWrapper(base.DatabaseWrapper):
    """As Django's; a transaction waits for as long as `busy_timeout` says."""

    def _start_transaction_under_autocommit(self) -> None:
        """Raises: OperationalError, as somebody else writes all the time."""
        made: Any = self.connection
        [(milliseconds,)] = made.execute("PRAGMA busy_timeout").fetchall()
        until = time.monotonic() + milliseconds / 1000
        made.execute("PRAGMA busy_timeout = 0")
        try:
            while not self._has_begun(until):
                time.sleep(PAUSE_SECONDS)
        finally:
            made.execute(f"PRAGMA busy_timeout = {milliseconds}")

    def _has_begun(self, until: float) -> bool:
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except OperationalError as error:
            code = getattr(error.__cause__, "sqlite_errorcode", 0)
            if code & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            return False
        return True
