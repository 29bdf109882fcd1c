"""One migration at a time: whoever comes second waits, and finds nothing to do."""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.management.base import CommandError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

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
