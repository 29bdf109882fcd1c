"""One migration at a time: whoever comes second waits, and finds nothing to do.

It takes the time it needs: the limits for calls and pages are not its own. Except for
locks: while a migration waits for a table, everybody else who wants that table waits
behind it, so it gives up after `lock_timeout`, and can be started again.
"""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from billing.values.patience import set_patience

logger = logging.getLogger(__name__)

# PostgreSQL's name for our lock: any number, the same everywhere.
LOCK_ID = 0x746F6C6C67617465
LOOK_SECONDS = 0.5
WAIT_SECONDS_MAX = 1800


@contextmanager
def alone(alias: str, *, seconds_max: float = WAIT_SECONDS_MAX) -> Iterator[None]:
    """Nobody else migrates this database inside. Whoever dies there lets go of it.

    Raises: CommandError when another has not finished in time.
    """
    connection = connections[alias]
    if connection.vendor == "postgresql":
        lock = _locked_in_database(connection, seconds_max)
    elif connection.is_in_memory_db():  # type: ignore[attr-defined]
        yield
        return
    else:
        lock = _locked_beside(Path(connection.settings_dict["NAME"]), seconds_max)
    with lock:
        if connection.vendor == "sqlite":
            _use_wal(connection, seconds_max)
        yield


@contextmanager
def _locked_in_database(
    connection: BaseDatabaseWrapper, seconds_max: float
) -> Iterator[None]:
    """A lock of the session: it ends with the connection, on every way out."""

    def take() -> bool:
        # Asked again and again: a statement that waits would have limits of its own.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_ID])
            return bool(cursor.fetchone()[0])

    _wait(take, seconds_max)
    try:
        yield
    finally:
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_ID])


@contextmanager
def _locked_beside(database: Path, seconds_max: float) -> Iterator[None]:
    """A lock on a file beside SQLite's, which the kernel frees with the process."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_name(f"{database.name}.migrating").open("ab") as file:

        def take() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        _wait(take, seconds_max)
        yield


def _use_wal(connection: BaseDatabaseWrapper, seconds_max: float) -> None:
    """The file remembers it. Not said by every connection, as it begins: of several
    that say it at once of a new file SQLite refuses one, without waiting."""

    def set_mode() -> bool:
        try:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA journal_mode=WAL")
                return bool(cursor.fetchone()[0] == "wal")
        except OperationalError:  # somebody reads just now
            return False

    _wait(set_mode, seconds_max)


def _wait(take: Callable[[], bool], seconds_max: float) -> None:
    until = time.monotonic() + seconds_max
    has_said = False
    while not take():
        if time.monotonic() > until:
            raise CommandError(
                f"Another migration has not finished within {seconds_max:.0f} seconds."
            )
        if not has_said:
            logger.warning("another process migrates; this one waits")
            has_said = True
        time.sleep(LOOK_SECONDS)


# --- limits ---

MIGRATION_SECONDS = 3600


def lift_limits(sender: Any, using: str, **_: Any) -> None:
    """Django's `pre_migrate`, once for each application."""
    set_patience(MIGRATION_SECONDS)
    _execute(using, f"SET statement_timeout = '{MIGRATION_SECONDS}s'")


def restore_limits(sender: Any, using: str, **_: Any) -> None:
    """Django's `post_migrate`."""
    set_patience(None)
    _execute(using, "RESET statement_timeout")


def _execute(using: str, statement: str) -> None:
    connection = connections[using]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(statement)
