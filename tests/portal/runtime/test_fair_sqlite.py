"""Who waits for SQLite's lock gets it soon after it is free, the first one first."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import DjangoDbBlocker

from portal.runtime.fair_sqlite3.base import DatabaseWrapper, Line
from tests.support.waiting import wait_for

pytestmark = pytest.mark.once

# SQLite's own waiting asks after 328 ms, and then after 428.
HELD_SECONDS = 0.34
TRIES = 20
Connect = Callable[[], DatabaseWrapper]


@pytest.fixture
def connect(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Connect]:
    settings: dict[str, Any] = {
        "NAME": str(tmp_path / "db"),
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
        "TIME_ZONE": None,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": False,
        "AUTOCOMMIT": True,
        "ATOMIC_REQUESTS": False,
        "TEST": {"NAME": None},
    }
    made: list[DatabaseWrapper] = []

    def connected() -> DatabaseWrapper:
        wrapper = DatabaseWrapper(settings, "waiting")
        wrapper.inc_thread_sharing()  # it is closed by the test's own thread
        wrapper.connect()
        made.append(wrapper)
        return wrapper

    with django_db_blocker.unblock():
        yield connected
        for wrapper in made:
            wrapper.close()


def do(wrapper: DatabaseWrapper, statement: str) -> list[Any]:
    made: Any = wrapper.connection
    found: list[Any] = made.execute(statement).fetchall()
    return found


def waits_ms(wrapper: DatabaseWrapper) -> int:
    """For how long a question waits that is asked outside of a transaction."""
    with wrapper.cursor() as cursor:
        [(found,)] = cursor.execute("PRAGMA busy_timeout").fetchall()
    return int(found)


def late_seconds(waiting: DatabaseWrapper) -> float:
    """How long after the lock was free the transaction began."""
    freed: list[float] = []
    locked = threading.Event()

    def hold() -> None:
        path = waiting.settings_dict["NAME"]
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            locked.set()
            time.sleep(HELD_SECONDS)
            other.execute("COMMIT")
            freed.append(time.monotonic())

    thread = threading.Thread(target=hold)
    thread.start()
    locked.wait()
    waiting._start_transaction_under_autocommit()
    began = time.monotonic()
    do(waiting, "ROLLBACK")
    thread.join()
    return began - freed[0]


def test_it_begins_soon_after_the_lock_is_free(connect: Connect) -> None:
    waiting = connect()
    # One of some: another program may have the core at that moment.
    assert any(late_seconds(waiting) < 0.04 for _ in range(TRIES))
    assert waits_ms(waiting) == 20_000


def test_the_first_one_is_the_first(
    connect: Connect, django_db_blocker: DjangoDbBlocker
) -> None:
    holder, began = connect(), list[int]()
    holder._start_transaction_under_autocommit()
    line = Line()
    DatabaseWrapper.lines[str(holder.settings_dict["NAME"])] = line

    def begin(number: int) -> None:
        wrapper = connect()
        wrapper._start_transaction_under_autocommit()
        began.append(number)
        do(wrapper, "ROLLBACK")

    threads = []
    for number in range(6):
        threads.append(threading.Thread(target=begin, args=[number]))
        threads[-1].start()
        wait_for(lambda: line.length == number + 1)  # noqa: B023
    do(holder, "ROLLBACK")
    for thread in threads:
        thread.join()
    assert began == [*range(6)]
    assert line.length == 0


def test_it_waits_no_longer_than_it_may(connect: Connect) -> None:
    waiting = connect()
    waiting.longest_ms = 100
    path = waiting.settings_dict["NAME"]
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(OperationalError, match="locked"):
            waiting._start_transaction_under_autocommit()
        assert time.monotonic() - began >= 0.1
    assert waits_ms(waiting) == 100


def test_who_only_reads_waits_for_nobody(connect: Connect) -> None:
    holder, reader = connect(), connect()
    holder._start_transaction_under_autocommit()
    reader.transaction_mode = "DEFERRED"
    reader.longest_ms = 0
    reader._start_transaction_under_autocommit()
    assert do(reader, "SELECT 1") == [(1,)]
    do(reader, "ROLLBACK")
    do(holder, "ROLLBACK")


def test_who_is_broken_off_leaves_the_line(connect: Connect) -> None:
    """A worker's deadline, a signal: the next ones waited for somebody who had gone."""
    waiting, line, first = connect(), Line(), threading.Event()
    DatabaseWrapper.lines[str(waiting.settings_dict["NAME"])] = line
    line.join(first, 0)

    def break_off(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, break_off)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            waiting._start_transaction_under_autocommit()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert line.length == 1
    assert waits_ms(waiting) == 20_000
    line.leave(first)
    assert line.length == 0


def test_who_only_writes_is_not_told_twice_how_to_wait(connect: Connect) -> None:
    """Each statement is a chance for another thread to take the interpreter."""
    writing, said = connect(), list[str]()
    made: Any = writing.connection
    made.set_trace_callback(said.append)
    for _ in range(3):
        writing._start_transaction_under_autocommit()
        do(writing, "COMMIT")
    assert said == ["PRAGMA busy_timeout = 0", *["BEGIN IMMEDIATE", "COMMIT"] * 3]
