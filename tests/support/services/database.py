"""The one database of a test session: made before its first use, never flushed.

The ledger is append-only and its triggers forbid DELETE, so no fixture empties
tables: a test either rolls back (`db`) or commits rows of its own (`committed_db`).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from tests.support.services import environment


def create() -> None:
    """Make the database that `DATABASE_URL` names, with all migrations."""
    url = os.environ["DATABASE_URL"]
    if url.startswith("postgres://"):
        name = urlsplit(url).path.removeprefix("/")
        maintenance = os.environ[environment.MAINTENANCE_VARIABLE]
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
            )
    call_command("migrate", verbosity=0, interactive=False)


def forget_lessons() -> None:
    """Delete what the calls of earlier tests taught about their models, which any test
    may call again, and what was paused for it."""
    from billing.models import LearnedBound, Pause

    LearnedBound.objects.all().delete()
    Pause.objects.all().delete()


@contextmanager
def copied_to(path: Path) -> Iterator[str]:
    """A copy of SQLite's database takes its place inside, in this process; its URL."""
    default = connections["default"]
    with sqlite3.connect(path) as copy:
        default.ensure_connection()
        default.connection.backup(copy)
    copy.close()
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
