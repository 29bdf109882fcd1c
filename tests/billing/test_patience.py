"""A wait for the database ends, whatever the database does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from billing.ledger import dialect
from billing.values import patience as patiently
from billing.values.connection import once_more_if_lost
from billing.values.patience import PatientConnection, patience, seconds_left

# Long before anything else would end the wait.
SECONDS_MAX = 20


@pytest.fixture
def driver(committed_db: None) -> Iterator[PatientConnection]:
    with PatientConnection.connect(
        os.environ["DATABASE_URL"], autocommit=True
    ) as driver:
        yield driver


@contextmanager
def standing_still(process_id: int) -> Iterator[None]:
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process_id, signal.SIGCONT)


@contextmanager
def soon() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < SECONDS_MAX


def test_the_sooner_deadline_holds() -> None:
    assert seconds_left() is None
    with patience(5):
        with patience(100):
            assert 0 < (seconds_left() or 0) <= 5
        with patience(1):
            assert 0 < (seconds_left() or 0) <= 1
        with patience(-1):
            assert seconds_left() == 0
        assert 1 < (seconds_left() or 0) <= 5
    assert seconds_left() is None


@pytest.mark.postgres_only
def test_a_server_that_stands_still_is_left(driver: PatientConnection) -> None:
    with standing_still(driver.info.backend_pid), soon(), patience(0.3):
        with pytest.raises(psycopg.OperationalError, match="does not answer"):
            driver.execute("SELECT 1")
        assert driver.closed


@pytest.mark.postgres_only
def test_so_is_one_of_a_thread_without_a_deadline(
    driver: PatientConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patiently, "QUESTION_SECONDS", 0.3)
    with standing_still(driver.info.backend_pid), soon():
        with pytest.raises(psycopg.OperationalError, match="does not answer"):
            driver.execute("SELECT 1")
        assert driver.closed


@pytest.mark.postgres_only
def test_an_error_of_the_server_leaves_the_connection_open(
    driver: PatientConnection,
) -> None:
    with patience(30):
        driver.execute("SET statement_timeout = 100")
        with pytest.raises(psycopg.errors.QueryCanceled):
            driver.execute("SELECT pg_sleep(60)")
        assert driver.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.postgres_only
def test_the_pool_hands_out_such_connections(committed_db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [process_id] = cursor.fetchone()
        for limit, expected in (
            ("lock_timeout", "5s"),
            ("statement_timeout", "30s"),
            ("idle_in_transaction_session_timeout", "1min"),
        ):
            cursor.execute(f"SHOW {limit}")
            assert cursor.fetchone() == (expected,)
    asked: list[None] = []

    def ask() -> None:
        asked.append(None)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    refused = pytest.raises(OperationalError, match="does not answer")
    with standing_still(process_id), soon(), patience(0.3), refused:
        once_more_if_lost(ask)
    assert len(asked) == 1  # there was no time for another attempt
    connection.close()
    ask()


@pytest.mark.sqlite_only
def test_a_writer_of_sqlite_queues_until_its_deadline(committed_db: None) -> None:
    def waits_ms() -> int:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout")
            return int(cursor.fetchone()[0])

    with patience(3):
        assert once_more_if_lost(waits_ms) == 3_000
    with patience(100):
        assert once_more_if_lost(waits_ms) == 20_000


@pytest.mark.sqlite_only
def test_who_asks_sqlite_by_the_driver_waits_as_long(committed_db: None) -> None:
    """Also after a transaction that wrote, whose waiting is our own."""
    with transaction.atomic():
        pass
    assert dialect.run("PRAGMA busy_timeout") == [(20_000,)]
