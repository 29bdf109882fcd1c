"""The one database of a test session: made before its first use, never flushed.

The ledger is append-only and its triggers forbid DELETE, so no fixture empties
tables: a test either rolls back (`db`) or commits rows of its own (`committed_db`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.core.management import call_command
from django.db import connections, transaction
from psycopg import sql

from tests.support.services import environment

TEMPLATE = "tollgate_template"
SQLITE_TEMPLATE = "template.sqlite3"


def create() -> None:
    """Make the database that `DATABASE_URL` names, with all migrations: the first of
    the run's processes applies them, the others copy what came of it."""
    url = os.environ["DATABASE_URL"]
    make = _create_postgres if url.startswith("postgres://") else _create_sqlite
    with (environment.folder() / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        make(url)


def _create_sqlite(url: str) -> None:
    own = Path(url.removeprefix("sqlite:///"))
    template = environment.folder() / SQLITE_TEMPLATE
    if template.exists():
        copy_template(own)
        return
    call_command("migrate", verbosity=0, interactive=False)
    with closing(sqlite3.connect(template)) as copy:
        connections["default"].ensure_connection()
        connections["default"].connection.backup(copy)


def _create_postgres(url: str) -> None:
    own = urlsplit(url).path.removeprefix("/")
    with _maintenance() as connection:
        exists = "SELECT 1 FROM pg_database WHERE datname = %s"
        if connection.execute(exists, [TEMPLATE]).fetchone():
            copy_in_postgres(TEMPLATE, own)
            return
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(own)))
    call_command("migrate", verbosity=0, interactive=False)
    disconnect()  # nobody may be in a database that is copied
    copy_in_postgres(own, TEMPLATE)


def copy_in_postgres(source: str, name: str) -> None:
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with _maintenance() as connection:
        connection.execute(create.format(*map(sql.Identifier, (name, source))))


def _maintenance() -> psycopg.Connection[Any]:
    url = os.environ[environment.MAINTENANCE_VARIABLE]
    return psycopg.connect(url, autocommit=True)


@contextmanager
def undone() -> Iterator[None]:
    """What is stored inside is rolled back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def forget_lessons() -> None:
    """Delete what the calls of earlier tests taught about their models, which any test
    may call again, and what was paused for it."""
    from billing.models import LearnedBound, Pause

    for model in (LearnedBound, Pause):
        # Most tests teach nothing, and to delete nothing takes SQLite's one write lock.
        if model.objects.exists():
            model.objects.all().delete()


@contextmanager
def empty_at(path: Path) -> Iterator[str]:
    """SQLite as it was before the first test takes its place inside; its URL. For who
    asks what nothing at all leads to: other tests' rows have work left to do."""
    copy_template(path)
    with _replaced_by(path) as url:
        yield url


def copy_template(path: Path) -> None:
    """SQLite with all migrations and nothing in it, once `create` was called."""
    shutil.copyfile(environment.folder() / SQLITE_TEMPLATE, path)


@contextmanager
def _replaced_by(path: Path) -> Iterator[str]:
    default = connections["default"]
    before = default.settings_dict["NAME"]
    connections.close_all()
    default.settings_dict["NAME"] = str(path)
    try:
        yield f"sqlite:///{path}"
    finally:
        connections.close_all()
        default.settings_dict["NAME"] = before


def close_connections() -> None:
    """End this thread's connections, so that no lock outlives its test."""
    connections.close_all()


def disconnect() -> None:
    """Also close PostgreSQL's pool, whose threads would outlive the session."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        if hasattr(connection, "close_pool"):
            connection.close_pool()
