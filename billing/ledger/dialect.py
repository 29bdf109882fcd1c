"""The few places where SQLite and PostgreSQL say the same thing differently.

What is asked for travels as one JSON document per statement, so a statement has the
same text, and is prepared once, whatever the number of rows. (Rows to be written:
`writes.py`.) On SQLite that also means one release of the interpreter lock per
statement instead of one per row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any

import orjson
import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Model

from billing.ledger import pipeline
from billing.ledger.pipeline import Row, Statement
from billing.values import clock

IS_POSTGRES = connection.vendor == "postgresql"

# The placeholder of the driver underneath Django; the same for what `moment` makes.
PARAMETER = "%s" if IS_POSTGRES else "?"
TIME_PARAMETER = "%s::timestamptz" if IS_POSTGRES else "?"
# The present instant, by the clock of the database that all machines share; its
# parameter is `now_parameter`.
NOW = "coalesce(%s::timestamptz, clock_timestamp())" if IS_POSTGRES else "?"

# Today's midnight, UTC, by the same clock and with the same parameter. Asked apart, or
# PostgreSQL would ask it again for each row, and use no index.
TODAY = (
    f"(SELECT date_trunc('day', {NOW}, 'UTC'))"
    if IS_POSTGRES
    else f"(substr({NOW}, 1, 10) || ' 00:00:00')"
)

# Row locks; SQLite's IMMEDIATE transaction already has the whole file.
FOR_UPDATE = "FOR UPDATE" if IS_POSTGRES else ""
# The same, but what somebody else has locked is left out, and nobody waits.
FOR_UPDATE_IF_FREE = "FOR UPDATE SKIP LOCKED" if IS_POSTGRES else ""


def rows(model: type[Model], columns: Iterable[str]) -> str:
    """A WITH clause naming `r`, the rows of one JSON parameter: a list of objects
    that have these columns of the model, and may have more.

    Being the statement's first words, it makes that parameter the first one on both
    databases.
    """
    if IS_POSTGRES:
        types = {f.attname: f.db_type(connection) for f in model._meta.concrete_fields}
        listed = ", ".join(f"{name} {types[name]}" for name in columns)
        return f"WITH r AS (SELECT * FROM json_to_recordset(%s::json) AS t({listed}))"
    listed = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
    return f"WITH r AS (SELECT {listed} FROM json_each(?))"


def moment(value: datetime) -> str:
    """An instant as the database tells (`time_text`) and takes it: UTC, no offset."""
    naive = value.astimezone(UTC).replace(tzinfo=None)
    return naive.isoformat(" ", "microseconds") if IS_POSTGRES else str(naive)


def character(code: int) -> str:
    """One character, by its number."""
    return f"chr({code})" if IS_POSTGRES else f"char({code})"


def pinned_parts() -> str:
    """A query for the parts of every hold's `pins`, a row each."""
    return _pairs("pins", "grant_id", "amount_micros")


def budget_pairs() -> str:
    """The same, for the windows that every hold counts in."""
    return _pairs("budgets", "budget_id", "starts")


def _pairs(column: str, first: str, second: str) -> str:
    if IS_POSTGRES:
        part, parts = "(p.value->>{})::bigint", f"jsonb_array_elements(h.{column})"
    else:
        valid = f"CASE WHEN json_valid(h.{column}) THEN h.{column} ELSE '[]' END"
        part, parts = "json_extract(p.value, '$[{}]')", f"json_each({valid})"
    return (
        "SELECT h.id AS hold_id, h.account_id AS account_id, h.state AS state, "
        f"{part.format(0)} AS {first}, {part.format(1)} AS {second} "
        f"FROM billing_hold h, {parts} AS p"
    )


def one_of(column: str, expressions: Sequence[str]) -> str:
    """`column` is one of these, each looked up by its index."""
    listed = ", ".join(expressions)
    if IS_POSTGRES:
        return f"{column} = ANY(ARRAY[{listed}])"
    return f"{column} IN ({listed})"


def quarter_of(column: str) -> str:
    """The start of the quarter of an hour of a time column."""
    if IS_POSTGRES:
        epoch = "TIMESTAMPTZ '2000-01-01 00:00:00+00'"
        return f"date_bin(INTERVAL '15 minutes', {column}, {epoch})"
    minutes = f"CAST(substr({column}, 15, 2) AS integer) / 15 * 15"
    return f"substr({column}, 1, 14) || substr('0' || ({minutes}), -2) || ':00'"


def quarter(moment_: str) -> str:
    """The same, of a time as `moment` writes it."""
    return f"{moment_[:14]}{int(moment_[14:16]) // 15 * 15:02d}:00"


def listed(kind: str) -> str:
    """The values, of PostgreSQL's type `kind`, of a JSON list: one parameter."""
    if IS_POSTGRES:
        return f"SELECT value::{kind} FROM json_array_elements_text(%s::json)"
    return "SELECT value FROM json_each(?)"


def among(column: str, query: str) -> str:
    """`column` is one of what `query` finds, each looked up by its key."""
    if IS_POSTGRES:
        return f"{column} = ANY(ARRAY({query}))"
    return f"{column} IN ({query})"


def now_parameter() -> str | None:
    """For `NOW`. SQLite has no clock but this machine's, and tests have their own."""
    if IS_POSTGRES and not clock.is_moved():
        return None
    return moment(clock.now())


def now() -> datetime:
    """The present instant by the clock that the ledger goes by."""
    parameter = now_parameter()
    if parameter is not None:
        return clock.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
        return found


def start_of_day(zone: tzinfo = UTC, *, days_ago: int = 0) -> datetime:
    """Midnight in that time zone, of today by the same clock, or of an earlier day."""
    day = now().astimezone(zone).date() - timedelta(days=days_ago)
    return datetime.combine(day, time.min, zone)


def time_text(expression: str) -> str:
    """A time column as `moment` writes it, and so that it can be compared as text."""
    if IS_POSTGRES:
        utc = f"{expression} AT TIME ZONE 'UTC'"
        return f"to_char({utc}, 'YYYY-MM-DD HH24:MI:SS.US')"
    return f"({expression} || '')"  # the driver parses a bare column


def json(value: Any) -> str:
    """The parameter for `rows` and `listed`; a dataclass is an object.

    Raises: ValueError for what no column can hold, an integer beyond 64 bits or a lone
    surrogate.
    """
    try:
        return orjson.dumps(value, moment, orjson.OPT_PASSTHROUGH_DATETIME).decode()
    except orjson.JSONEncodeError as error:  # a TypeError
        raise ValueError(str(error)) from error


def run(sql: str, *parameters: Any) -> list[Row]:
    """The rows of one statement; see `run_all`."""
    return run_all([(sql, *parameters)])[0]


def run_all(statements: Sequence[Statement]) -> list[list[Row]]:
    """Execute in order, inside the caller's transaction; the rows of each.

    On the driver itself and prepared: Django's cursor would rewrite placeholders
    and, on PostgreSQL, paste the values into the text. There all statements travel
    in one round trip, and each still sees what was committed when it began.

    Raises: Django's DatabaseError and its kinds, never the driver's own.
    """
    own: Any = connections[DEFAULT_DB_ALIAS]  # looked up once: it is a thread's own
    driver = own.connection
    with own.wrap_database_errors:
        if IS_POSTGRES:
            return pipeline.run(driver, statements)
        own.be_patient()
        try:
            return [driver.execute(sql, rest).fetchall() for sql, *rest in statements]
        except OverflowError as error:  # an integer beyond 64 bits
            raise ValueError(str(error)) from error


@contextmanager
def bare_transaction() -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """A transaction that the statements themselves begin and commit, by the texts that
    it gives. Django's own takes two round trips more on PostgreSQL, and on SQLite CPU
    of each batch. Rolled back on an error."""
    own: Any = connections[DEFAULT_DB_ALIAS]
    own.ensure_connection()
    try:
        if IS_POSTGRES:
            yield ("BEGIN",), ("COMMIT",)
        else:
            own._start_transaction_under_autocommit()  # in its turn
            yield (), ("COMMIT",)
    except BaseException:  # noqa: BLE001  it is raised again
        # A connection that is broken has nothing left to roll back.
        with suppress(psycopg.Error, sqlite3.Error):
            own.connection.rollback()
        raise


# A prepared statement keeps its plan. Made while a table was small, that would be a
# plan that reads the whole of it; these statements know their rows by key, always.
# Compiling them (JIT) would take longer than running them. And how long one of them
# waits for a lock: a parameter, because it rides with the others.
PLAN_BY_KEY = (
    "SELECT set_config('enable_seqscan', 'off', true), "
    "set_config('enable_hashjoin', 'off', true), "
    "set_config('enable_mergejoin', 'off', true), "
    "set_config('jit', 'off', true), "
    "set_config('lock_timeout', %s, true), "
    "set_config('plan_cache_mode', 'force_generic_plan', true)"
)


def transaction_settings(lock_ms: int) -> list[Statement]:
    """What a transaction of the ledger begins with: how its statements are planned, and
    for how long one of them waits for a lock that somebody else has."""
    return [(PLAN_BY_KEY, f"{lock_ms}ms")] if IS_POSTGRES else []


def is_locked(error: BaseException) -> bool:
    """Whether Django's error means that somebody else kept a lock for too long, or
    that this transaction had to give way in a deadlock: either is worth a second try.
    """
    locked = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
    return isinstance(error.__cause__, locked)


def is_raised_by_trigger(error: BaseException) -> bool:
    """Whether one of our triggers refused a row."""
    return isinstance(error.__cause__, psycopg.errors.RaiseException)


def hex_text(expression: str) -> str:
    """A UUID column as `hex_id` has it."""
    if IS_POSTGRES:
        return f"replace(({expression})::text, '-', '')"
    return expression


def hex_id(value: Any) -> str:
    """A UUID column's value as 32 hexadecimal digits (SQLite stores it so)."""
    text: str = value if isinstance(value, str) else value.hex
    return text


def instant(value: Any) -> datetime:
    """A time column's value (SQLite stores it as `moment` writes it)."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
