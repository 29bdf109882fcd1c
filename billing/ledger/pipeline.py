"""PostgreSQL's statements in one round trip, prepared, on libpq itself.

psycopg's own pipeline serves any cursor, and takes twice the CPU for it: billing's
README has the figures.
"""

from __future__ import annotations

import select
import time
from collections.abc import Sequence
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg import errors, pq
from psycopg.adapt import Transformer

from billing.values.patience import seconds_left

# As long as SQLite waits; a thread may have set itself a sooner deadline.
ANSWER_SECONDS_MAX = 20

Row = tuple[Any, ...]
Statement = tuple[Any, ...]  # its text, then its parameters, each text or None
Driver = psycopg.Connection[Row]

IDLE = pq.TransactionStatus.IDLE
DONE = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)

# What each connection has prepared: a statement's text → its name.
_prepared: WeakKeyDictionary[Driver, dict[str, bytes]] = WeakKeyDictionary()


def run(driver: Driver, statements: Sequence[Statement]) -> list[list[Row]]:
    """The rows of each statement; `%s` stands for a parameter.

    Raises: psycopg.Error, the first there is; nothing after it was executed.
    """
    is_begun = driver.autocommit or driver.pgconn.transaction_status != IDLE
    if is_begun:
        return _run(driver, statements)
    # Django's transaction has begun, but the server has not been told anything yet.
    return _run(driver, [("BEGIN",), *statements])[1:]


def _run(driver: Driver, statements: Sequence[Statement]) -> list[list[Row]]:
    names = _prepared.setdefault(driver, {})
    new = list(dict.fromkeys(sql for sql, *_ in statements if sql not in names))
    new_names = {sql: b"tollgate_%d" % (len(names) + n) for n, sql in enumerate(new)}
    try:
        _send(driver.pgconn, new_names, names | new_names, statements)
        results = _results(driver.pgconn)
        driver.pgconn.exit_pipeline_mode()
    except BaseException:  # noqa: BLE001  it is raised again
        # Nobody knows what of it was done, or what the server will still answer.
        driver.close()
        raise
    for sql, result in zip(new, results, strict=False):
        if result.status in DONE:
            names[sql] = new_names[sql]
    for result in results:
        if result.status not in DONE:
            raise errors.error_from_result(result)
    return [_rows(driver, result) for result in results[len(new) :]]


def _send(
    pgconn: pq.abc.PGconn,
    new_names: dict[str, bytes],
    names: dict[str, bytes],
    statements: Sequence[Statement],
) -> None:
    pgconn.enter_pipeline_mode()
    for sql, name in new_names.items():
        pgconn.send_prepare(name, _numbered(sql))
    for sql, *parameters in statements:
        encoded = [None if value is None else value.encode() for value in parameters]
        pgconn.send_query_prepared(names[sql], encoded)
        # At once: the server works on the first while the next is written.
        pgconn.flush()
    pgconn.pipeline_sync()


def _results(pgconn: pq.abc.PGconn) -> list[pq.abc.PGresult]:
    """One for each thing sent. Waits outside libpq, which would keep Python's lock.

    Raises: psycopg.OperationalError when the connection is lost, or the server, or
    what it writes to, stands still.
    """
    socket, left = select.poll(), seconds_left()
    longest = ANSWER_SECONDS_MAX if left is None else min(ANSWER_SECONDS_MAX, left)
    until = time.monotonic() + longest
    results: list[pq.abc.PGresult] = []
    while True:
        while pgconn.is_busy():
            is_unsent = pgconn.flush()
            events = select.POLLIN | (select.POLLOUT if is_unsent else 0)
            socket.register(pgconn.socket, events)
            if not socket.poll(max(0, until - time.monotonic()) * 1000):
                raise errors.OperationalError("the server does not answer")
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:  # between two statements, or for ever
            if pgconn.status == pq.ConnStatus.BAD:
                raise errors.OperationalError("the server closed the connection")
        elif result.status == pq.ExecStatus.PIPELINE_SYNC:
            return results
        else:
            results.append(result)


def _rows(driver: Driver, result: pq.abc.PGresult) -> list[Row]:
    if not result.ntuples:
        return []
    transformer = Transformer(driver)
    transformer.set_pgresult(result)
    return transformer.load_rows(0, result.ntuples, tuple)


@cache
def _numbered(sql: str) -> bytes:
    """The text as the server wants it: $1, $2 … for each %s."""
    first, *others = sql.split("%s")
    numbered = (f"${place}{part}" for place, part in enumerate(others, start=1))
    return (first + "".join(numbered)).encode()
