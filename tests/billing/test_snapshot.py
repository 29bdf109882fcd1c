"""Who reads the whole ledger stops nobody from writing to it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections

from billing import holds
from billing.models import Hold
from billing.values.connection import snapshot
from billing.values.orders import Place, Placed
from billing.verification.report import verify
from tests.support.ledger.payers import Payer

pytestmark = pytest.mark.usefixtures("committed_db")

# Sooner than a reader of these tests lets go: a writer that waits has failed.
WRITER_SECONDS = 2


@pytest.fixture
def customer(committed_db: None, monkeypatch: pytest.MonkeyPatch) -> Payer:
    if connection.vendor == "sqlite":
        options = connections.settings["default"]["OPTIONS"]
        # Of the writer's connection, which is yet to be made.
        monkeypatch.setitem(options, "timeout", WRITER_SECONDS)
    return Payer.open(credits=100)


def commit_elsewhere(order: Place) -> Any:
    """By another thread, with its own connection; its outcome."""

    def commit() -> Any:
        try:
            [outcome] = holds.commit([order])
            return outcome
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(commit).result()


def test_a_writer_commits_while_a_snapshot_is_read(customer: Payer) -> None:
    orders = [customer.order(1), customer.order(1)]
    with snapshot():
        before = Hold.objects.count()
        assert isinstance(commit_elsewhere(orders[0]), Placed)
        assert Hold.objects.count() == before
        assert isinstance(commit_elsewhere(orders[1]), Placed)
        assert Hold.objects.count() == before
    assert Hold.objects.count() == before + 2


def test_a_writer_commits_while_the_ledger_is_verified(customer: Payer) -> None:
    outcomes: list[Any] = []

    def write_between(execute: Any, sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if "billing_entry" in sql and len(outcomes) < 3:
            outcomes.append(commit_elsewhere(customer.order(1)))
        return result

    with connection.execute_wrapper(write_between):
        report = verify()
    assert [type(outcome) for outcome in outcomes] == [Placed] * 3
    assert report.ok, report.findings


def test_after_a_snapshot_writers_queue_again(customer: Payer) -> None:
    """SQLite: a transaction that began by reading could not go on to write."""
    with snapshot():
        Hold.objects.count()
    assert isinstance(customer.place(1), Placed)
    if connection.vendor == "sqlite":
        wrapper: Any = connection
        assert wrapper.transaction_mode == "IMMEDIATE"


@pytest.mark.postgres_only
def test_a_snapshot_may_take_longer_than_a_page(customer: Payer) -> None:
    with snapshot(seconds=600), connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("10min",)
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("30s",)
