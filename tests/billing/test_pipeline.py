"""Statements in one round trip, and what is left when one of them fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection

from billing import accounts
from billing.ledger import dialect, pipeline, sql
from billing.values.patience import patience

pytestmark = [pytest.mark.postgres_only, pytest.mark.usefixtures("committed_db")]


@pytest.fixture
def driver() -> Iterator[pipeline.Driver]:
    """A connection of its own, so that it may be broken."""
    database = connection.get_connection_params()
    database.pop("cursor_factory", None)
    database.pop("context", None)
    with psycopg.connect(**database, autocommit=True) as driver:
        yield driver


def test_each_statement_has_its_rows(driver: pipeline.Driver) -> None:
    found = pipeline.run(
        driver,
        [
            ("SELECT %s::int + 1, %s::text", "1", None),
            ("SELECT generate_series(1, %s::int)", "3"),
            ("SELECT 1 WHERE false",),
        ],
    )
    assert found == [[(2, None)], [(1,), (2,), (3,)], []]


def test_the_first_error_is_raised_and_the_next_run_is_sound(
    driver: pipeline.Driver,
) -> None:
    failing = [("SELECT 1",), ("SELECT 1 / %s::int", "0"), ("SELECT 2",)]
    for _ in range(2):  # prepared by the first run, known to the second
        with pytest.raises(psycopg.errors.DivisionByZero):
            pipeline.run(driver, failing)
    assert pipeline.run(driver, [("SELECT 2",), ("SELECT 1",)]) == [[(2,)], [(1,)]]


def test_a_text_that_cannot_be_prepared_leaves_the_others_prepared(
    driver: pipeline.Driver,
) -> None:
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedColumn):
            pipeline.run(driver, [("SELECT 1",), ("SELECT nothing",), ("SELECT 2",)])
    assert pipeline.run(driver, [("SELECT 2",), ("SELECT 1",)]) == [[(2,)], [(1,)]]


def test_more_than_the_buffers_hold(driver: pipeline.Driver) -> None:
    sent = "x" * 300_000
    found = pipeline.run(driver, [("SELECT length(%s::text)", sent)] * 20)
    assert found == [[(300_000,)]] * 20


def test_a_transaction_of_djangos_is_begun_before_the_first_statement(
    driver: pipeline.Driver,
) -> None:
    driver.set_autocommit(False)
    pipeline.run(driver, [("CREATE TEMPORARY TABLE kept (n int)",)])
    assert driver.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    driver.rollback()
    with pytest.raises(psycopg.errors.UndefinedTable):
        pipeline.run(driver, [("SELECT n FROM kept",)])


@pytest.mark.parametrize("moment", ["before", "while it works"])
def test_a_lost_connection_is_an_error_and_no_wait(
    driver: pipeline.Driver, moment: str
) -> None:
    def end() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        connection.close()

    pid = driver.info.backend_pid
    ending = threading.Timer(0 if moment == "before" else 0.3, end)
    ending.start()
    if moment == "before":
        ending.join()
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        pipeline.run(driver, [("SELECT pg_sleep(60)",), ("SELECT 1",)])
    ending.join()
    assert time.monotonic() - began < 30
    assert driver.closed


def test_a_server_that_stands_still_is_an_error_and_no_wait(
    driver: pipeline.Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "ANSWER_SECONDS_MAX", 0.2)
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        pipeline.run(driver, [("SELECT 1",), ("SELECT pg_sleep(60)",)])
    assert time.monotonic() - began < 30
    assert driver.closed


def test_a_transaction_waits_for_locks_as_long_as_it_says(
    driver: pipeline.Driver,
) -> None:
    driver.set_autocommit(False)
    pipeline.run(driver, dialect.transaction_settings(70))
    assert pipeline.run(driver, [("SHOW lock_timeout",)]) == [[("70ms",)]]


def test_a_thread_may_have_less_time_than_the_server(driver: pipeline.Driver) -> None:
    began = time.monotonic()
    with patience(0.2), pytest.raises(psycopg.OperationalError):
        pipeline.run(driver, [("SELECT pg_sleep(60)",)])
    assert time.monotonic() - began < 30
    assert driver.closed


def test_a_server_that_vanished_is_noticed() -> None:
    options = connection.settings_dict["OPTIONS"]
    idle, between = options["keepalives_idle"], options["keepalives_interval"]
    assert idle + between * options["keepalives_count"] <= 30
    assert options["tcp_user_timeout"] <= 30_000


def test_accounts_are_found_by_key_however_many_there_are() -> None:
    for number in range(30):
        accounts.open_organization(f"one of many {number}")
    text = sql.LOCK_ACCOUNTS.replace("%s", "NULL", 1).replace("%s", "'[1]'")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE billing_account")
        cursor.execute("BEGIN")
        cursor.execute(dialect.PLAN_BY_KEY, ["1s"])
        cursor.execute(f"EXPLAIN {text}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("ROLLBACK")
    assert "Index Cond: (id = ANY" in plan
    assert "Filter" not in plan, plan
