"""The few places where SQLite and PostgreSQL say the same thing differently.

Rows travel as one JSON document per statement, so a statement has the same text,
and is prepared once, whatever the number of rows. On SQLite that also means one
release of the interpreter lock per statement instead of one per row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg
from django.db import connection
from django.db.models import Model

from billing.ledger import pipeline
from billing.ledger.pipeline import Row, Statement

IS_POSTGRES = connection.vendor == "postgresql"

# The placeholder of the driver underneath Django; the same for what `moment` makes.
PARAMETER = "%s" if IS_POSTGRES else "?"
TIME_PARAMETER = "%s::timestamptz" if IS_POSTGRES else "?"

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


def moment(value: datetime) -> str:
    """An instant as both databases store and compare it: UTC, no offset written."""
    return str(value.astimezone(UTC).replace(tzinfo=None))


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
    driver = connection.connection
    with connection.wrap_database_errors:
        if IS_POSTGRES:
            return pipeline.run(driver, statements)
        return [driver.execute(sql, rest).fetchall() for sql, *rest in statements]


@contextmanager
def rolled_back_on_error() -> Iterator[None]:
    """For a transaction that the statements themselves begin and commit."""
    connection.ensure_connection()
    try:
        yield
    except BaseException:  # noqa: BLE001  it is raised again
        # A connection that is broken has nothing left to roll back.
        with suppress(psycopg.Error):
            connection.connection.rollback()
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
    """Whether Django's error means that somebody else kept a lock for too long."""
    return isinstance(error.__cause__, psycopg.errors.LockNotAvailable)


def is_raised_by_trigger(error: BaseException) -> bool:
    """Whether one of our triggers refused a row."""
    return isinstance(error.__cause__, psycopg.errors.RaiseException)


def hex_id(value: Any) -> str:
    """A UUID column's value as 32 hexadecimal digits (SQLite stores it so)."""
    text: str = value if isinstance(value, str) else value.hex
    return text


def instant(value: Any) -> datetime:
    """A time column's value (SQLite stores it as `moment` writes it)."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
