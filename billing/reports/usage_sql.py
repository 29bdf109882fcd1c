"""The one statement behind `billing.reports.usage`.

Each part joins a list of pieces of time with what is kept of it, so that for each piece
the rows are found by their index, whatever else there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from billing.ledger import dialect
from billing.models.usage_day import Cut

STATE = -1  # the number of the row that says whether the days are as they were
FIGURES = ("requests", "prompt_tokens", "completion_tokens", "charged_micros")
Part = tuple[str, list[Any]]  # a query and its parameters

_NAMES = {name: f"r.{name}" for name in ("model", "operation", "client", "session")}
# The column of each dimension: of days, and of quarters and lines.
_OF_DAYS = {
    **_NAMES,
    "key": "r.key_id",
    "project": "r.project_id",
    "holder": "r.holder_id",
}
_OF_CALLS = {
    **_NAMES,
    "key": "r.spender_id",
    "project": "coalesce(r.project_id, 0)",
    "holder": "coalesce(r.holder_id, 0)",
}


def column_of_days(dimension: str) -> str:
    return _OF_DAYS[dimension].removeprefix("r.")


@dataclass
class Pieces:
    """Numbers of ranges, and which parts of them are read from where; half open but
    for days."""

    days: list[tuple[int, str, str]] = field(default_factory=list)
    quarters: list[tuple[int, str, str]] = field(default_factory=list)
    lines: list[tuple[int, str, str]] = field(default_factory=list)

    def add_quarters(self, number: int, start: datetime, end: datetime) -> None:
        if start < end:
            moments = (dialect.moment(start), dialect.moment(end))
            self.quarters.append((number, *moments))

    def add_lines(self, number: int, start: datetime, end: datetime) -> None:
        if start < end:
            self.lines.append((number, dialect.moment(start), dialect.moment(end)))


@dataclass(frozen=True)
class Largest:
    """Of the subjects only the `most` largest, by a sum of those of `FIGURES`."""

    most: int
    of: Sequence[str]


@dataclass(frozen=True)
class Asked:
    """What of an account is added up, and by what."""

    account_id: int
    cut: Cut
    by: Sequence[str]
    filters: Mapping[str, Sequence[Any]]
    spender_ids: Sequence[int] | None  # of quarters and lines, the keys chosen
    largest: Largest | None = None


def statement(
    asked: Asked, pieces: Pieces, days: tuple[str, datetime] | None
) -> tuple[str, list[Any]]:
    """Rows of a range's number, a subject for each of `by`, and four figures, in parts
    that are still to be added up; and a row `STATE`, whose first figure is 1 if the
    days are made as `days` says, by time zone and until when."""
    parts = list(_parts(asked, pieces))
    if asked.largest is not None and parts:
        parts = [_largest(asked, asked.largest, parts)]
    parts.append(_state(asked, days))
    sql = " UNION ALL ".join(sql for sql, _ in parts)
    return sql, [value for _, values in parts for value in values]


def _largest(asked: Asked, largest: Largest, parts: list[Part]) -> Part:
    """The parts added up, and the largest of that."""
    groups = ", ".join(["n", *(f"g{place}" for place in range(len(asked.by)))])
    sums = ", ".join(f"sum(added.{name}) AS {name}" for name in FIGURES)
    size = " + ".join(f"sum(added.{name})" for name in largest.of)
    union = " UNION ALL ".join(sql for sql, _ in parts)
    sql = (
        f"SELECT * FROM (SELECT {groups}, {sums} FROM ({union}) AS added "  # noqa: S608
        f"GROUP BY {groups} ORDER BY {size} DESC, {groups} LIMIT %s) AS largest"
    )
    values = [value for _, values in parts for value in values]
    return sql, [*values, largest.most]


def _parts(asked: Asked, pieces: Pieces) -> Iterator[Part]:
    moments = "p.a <= {0} AND {0} < p.b"
    if pieces.days:
        condition = "r.account_id = %s AND r.cut = %s AND r.day >= p.a AND r.day <= p.b"
        of = [asked.account_id, asked.cut.value]
        source = ("billing_usageday r", condition)
        yield _part(asked, pieces.days, "date", source, of, _OF_DAYS)
    of = [asked.account_id]
    if pieces.quarters:
        condition = f"r.account_id = %s AND {moments.format('r.starts_at')}"
        source = ("billing_usagerollup r", condition)
        yield _part(asked, pieces.quarters, "timestamptz", source, of, _OF_CALLS)
    if pieces.lines:
        for lines, moment in ((RECORDS, "settled_at"), (CORRECTIONS, "ended_at")):
            condition = f"r.account_id = %s AND {moments.format(f'r.{moment}')}"
            source = (f"({lines}) r", condition)
            yield _part(asked, pieces.lines, "timestamptz", source, of, _OF_CALLS)


# What is charged, line by line: `usage.py` says what that is.
_SHARED = "account_id, spender_id, project_id, holder_id, operation, model, client"
RECORDS = (
    f"SELECT {_SHARED}, session, settled_at, 1 AS requests, prompt_tokens, "  # noqa: S608
    "completion_tokens, charged_micros FROM billing_usagerecord"
)
CORRECTIONS = (
    f"SELECT {', '.join(f'c.{name}' for name in _SHARED.split(', '))}, h.session, "  # noqa: S608
    "c.ended_at, c.requests, c.prompt_tokens, c.completion_tokens, c.charged_micros "
    "FROM billing_correction c JOIN billing_hold h ON h.id = c.hold_id "
    "WHERE c.state = 'posted'"
)


def _part(
    asked: Asked,
    pieces: list[tuple[int, str, str]],
    kind: str,
    source: tuple[str, str],
    of: list[Any],
    columns: Mapping[str, str],
) -> Part:
    """`source` is a table and the condition that finds a piece's rows, `of` that
    condition's parameters."""
    table, condition = source
    groups = ["p.n", *(columns[name] for name in asked.by)]
    names = ["n", *(f"g{place}" for place in range(len(asked.by)))]
    named = ", ".join(
        f"{group} AS {name}" for group, name in zip(groups, names, strict=True)
    )
    sums = ", ".join(f"sum(r.{name}) AS {name}" for name in FIGURES)
    conditions, values = _conditions(asked, columns)
    where = " AND ".join([condition, *conditions])
    sql = f"SELECT {named}, {sums} FROM {_pieces(kind)} "  # noqa: S608
    sql += _JOINED.format(table=table, where=where)
    sql = f"{sql} GROUP BY {', '.join(groups)}"
    return sql, [*_columns_of(pieces), *of, *values]


# Pieces first, and the rows of each by an index. SQLite joins in the order in which
# CROSS JOIN is written; PostgreSQL would read a whole table where it cannot know how
# few rows are between two moments, and does not look into a query with an OFFSET.
_JOINED = (
    "CROSS JOIN LATERAL (SELECT * FROM {table} WHERE {where} OFFSET 0) r"
    if dialect.IS_POSTGRES
    else "CROSS JOIN {table} ON {where}"
)


def _pieces(kind: str) -> str:
    if dialect.IS_POSTGRES:
        # It knows how long an array is; of JSON it guesses 100.
        return f"unnest(%s::int[], %s::{kind}[], %s::{kind}[]) AS p(n, a, b)"
    columns = ", ".join(
        f"json_extract(value, '$[{place}]') AS {name}"
        for place, name in enumerate("nab")
    )
    return f"(SELECT {columns} FROM json_each(%s)) p"  # noqa: S608


def _columns_of(pieces: list[tuple[int, str, str]]) -> list[Any]:
    """The parameters of `_pieces`."""
    if dialect.IS_POSTGRES:
        return [list(column) for column in zip(*pieces, strict=True)]
    return [dialect.json(pieces)]


def _conditions(
    asked: Asked, columns: Mapping[str, str]
) -> tuple[list[str], list[Any]]:
    """What a row has to be of."""
    conditions, values = [], []
    of_calls = columns is _OF_CALLS
    for name, subjects in asked.filters.items():
        if name == "key" and of_calls:
            continue  # by all the keys that are one with it
        kind = "bigint" if name in ("key", "project", "holder") else "text"
        condition, value = _among(columns[name], kind, subjects)
        conditions.append(condition)
        values.append(value)
    if of_calls and asked.spender_ids is not None:
        condition, value = _among("r.spender_id", "bigint", asked.spender_ids)
        conditions.append(condition)
        values.append(value)
    return conditions, values


def _among(column: str, kind: str, values: Sequence[Any]) -> tuple[str, Any]:
    if dialect.IS_POSTGRES:
        return f"{column} = ANY(%s::{kind}[])", list(values)
    listed = "SELECT value FROM json_each(%s)"
    return f"{column} IN ({listed})", dialect.json(list(values))


def _state(asked: Asked, days: tuple[str, datetime] | None) -> Part:
    nothing = ", NULL" * len(asked.by)
    if days is None:
        is_as_it_was, values = "count(*) = 0", []
        where = "until IS NOT NULL"
    else:
        is_as_it_was, values = "count(*) = 1", [days[0], dialect.moment(days[1])]
        moment = "%s::timestamptz" if dialect.IS_POSTGRES else "%s"
        where = f"zone = %s AND until = {moment}"
    sql = (
        f"SELECT {STATE}{nothing}, CASE WHEN {is_as_it_was} THEN 1 ELSE 0 END, 0, 0, 0 "  # noqa: S608
        f"FROM billing_usagedays WHERE account_id = %s AND {where}"
    )
    return sql, [asked.account_id, *values]
