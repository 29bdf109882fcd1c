"""Machines that are updated together: one migrates, the others wait for it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError
from django.db import connections

from portal.runtime import migrating
from tests.support.services import database, environment
from tests.support.services.commands import manage
from tests.support.waiting import PATIENCE_SECONDS

MACHINES = 4


def migrate_at_once(url: str, tmp_path: Path) -> list[subprocess.CompletedProcess[str]]:
    folders = [tmp_path / str(number) for number in range(MACHINES)]
    with ThreadPoolExecutor(MACHINES) as pool:
        return list(
            pool.map(
                lambda folder: manage(
                    "migrate", "--no-input", DATABASE_URL=url, VAR_DIR=str(folder)
                ),
                folders,
            )
        )


def assert_one_migrated(ends: list[subprocess.CompletedProcess[str]]) -> None:
    assert [end.returncode for end in ends] == [0] * MACHINES, ends
    did = ["No migrations to apply" not in end.stdout for end in ends]
    assert sum(did) == 1


@pytest.mark.once
def test_on_sqlite_one_of_many_migrates(tmp_path: Path) -> None:
    file = tmp_path / "new.sqlite3"
    assert_one_migrated(migrate_at_once(f"sqlite:///{file}", tmp_path))
    with sqlite3.connect(file) as made:
        assert made.execute("SELECT count(*) FROM portal_user").fetchone() == (0,)


@pytest.mark.postgres_only
def test_on_postgresql_one_of_many_migrates(tmp_path: Path) -> None:
    name = f"migrated_{os.getpid()}"
    maintenance = os.environ[environment.MAINTENANCE_VARIABLE]
    with psycopg.connect(maintenance, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            url = maintenance.replace("/postgres?", f"/{name}?")
            assert_one_migrated(migrate_at_once(url, tmp_path))
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_who_comes_second_waits_for_the_first(committed_db: None) -> None:
    order: list[str] = []
    is_first_in, may_go_on = threading.Event(), threading.Event()

    def first() -> None:
        with migrating.alone("default"):
            is_first_in.set()
            assert may_go_on.wait(PATIENCE_SECONDS)
            order.append("first")
        connections.close_all()

    thread = threading.Thread(target=first)
    thread.start()
    assert is_first_in.wait(PATIENCE_SECONDS)
    with (
        pytest.raises(CommandError, match="has not finished"),
        migrating.alone("default", seconds_max=0),
    ):
        order.append("too early")
    may_go_on.set()
    with migrating.alone("default", seconds_max=PATIENCE_SECONDS):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


@pytest.mark.sqlite_only
def test_who_is_killed_lets_go(tmp_path: Path, database_url: str) -> None:
    path = tmp_path / "killed.sqlite3"
    database.copy_template(path)
    url = f"sqlite:///{path}"
    code = (
        "import django, os; django.setup()\n"
        "from portal.runtime import migrating\n"
        "with migrating.alone('default'): os.kill(os.getpid(), 9)"
    )
    variables = {**os.environ, "DATABASE_URL": url, "VAR_DIR": str(tmp_path)}
    killed = subprocess.run([sys.executable, "-c", code], env=variables, check=False)
    assert killed.returncode == -9
    assert manage("migrate", "--no-input", DATABASE_URL=url).returncode == 0


@pytest.mark.sqlite_only
def test_the_journal_mode_is_set_once_and_not_by_every_connection(
    committed_db: None,
) -> None:
    """Of several that change a new file's mode at once SQLite refuses one without
    waiting: so it was for 13 of 200 new files, each opened by four processes."""
    assert "journal_mode" not in str(settings.DATABASES)
    with connections["default"].cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone() == ("wal",)
