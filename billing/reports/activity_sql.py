"""The statement behind `billing.reports.activity`: a step along an index, then a look
at what was found there.

A step is bounded: of each *part* of the list (the calls of a key, of a session …) it
reads at most so many rows in order, and hands back those that are asked for and the
last row of each part, so that whoever goes on begins there. A filter that finds nothing
costs as much as one step, whatever there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from billing.ledger import dialect

MOMENT = "%s::timestamptz" if dialect.IS_POSTGRES else "%s"
ID = "%s::uuid" if dialect.IS_POSTGRES else "%s"
# Columns that a look may ask for.
COLUMNS = (
    *("id", "placed_at", "changed_at", "spender_id", "project_id", "holder_id"),
    *("operation", "model", "client", "session", "state"),
)
# PLAN: one look-up of its key for each row. PostgreSQL would rather read all records,
# because it takes a step for longer than it is.
USAGE = (
    "LEFT JOIN LATERAL (SELECT * FROM billing_usagerecord r WHERE r.hold_id = h.id "
    "LIMIT 1) u ON true"
    if dialect.IS_POSTGRES
    else "LEFT JOIN billing_usagerecord u ON u.hold_id = h.id"
)


class Place(NamedTuple):
    """Where in the list something is: when the call was made, and its id."""

    placed_at: datetime
    id: UUID


@dataclass
class Conditions:
    """Conditions and their parameters, in one order."""

    texts: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, text: str, *values: Any) -> None:
        self.texts.append(text)
        self.values.extend(values)

    def __bool__(self) -> bool:
        return bool(self.texts)

    @property
    def text(self) -> str:
        return " AND ".join(self.texts)


@dataclass(frozen=True)
class Step:
    """What is read in one statement. `parts` say where, each by an index; `look` is
    what of it is asked for, of columns of `h` and, with `of_usage`, of its record `u`.
    """

    parts: Sequence[Conditions]
    look: Conditions
    of_usage: bool
    each: int  # rows of a part, at most
    limit: int  # rows that are handed back, at most
    start: Place | None = None
    is_ahead: bool = False  # towards what is newer

    def take(self) -> tuple[list[Place], list[Place | None]]:
        """What was found, in order; and of each part the row where the step ended, None
        where the part did."""
        sql, values = self._statement()
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            rows = cursor.fetchall()
        found: list[Place] = []
        ends: list[Place | None] = [None] * len(self.parts)
        for part, size, moment, id_ in rows:
            place = Place(dialect.instant(moment), _uuid(id_))
            if part < 0:
                found.append(place)
            elif size == self.each:
                ends[part] = place
        found.sort(reverse=not self.is_ahead)
        return found, ends

    def _statement(self) -> tuple[str, list[Any]]:
        parts, values = [], []
        for number, part in enumerate(self.parts):
            text, of = self._part(number, part)
            parts.append(text)
            values += of
        join = USAGE if self.of_usage else ""
        where = f"WHERE {self.look.text}" if self.look else ""
        back = self._order(is_reversed=True)
        order = self._order().replace(", ", ", h.")
        ends = " ".join(
            f"UNION ALL SELECT * FROM (SELECT part, (SELECT count(*) FROM h "  # noqa: S608
            f"WHERE part = {number}), placed_at, id FROM h WHERE part = {number} "
            f"ORDER BY {back} LIMIT 1) e{number}"
            for number in range(len(self.parts))
        )
        sql = (
            f"{with_calls(parts)} "  # noqa: S608
            f"SELECT * FROM (SELECT -1 AS part, 0 AS size, h.placed_at, h.id FROM h "
            f"{join} {where} ORDER BY h.{order} LIMIT {self.limit}"
            f") found {ends}"
        )
        return sql, [*values, *self.look.values]

    def _part(self, number: int, part: Conditions) -> tuple[str, list[Any]]:
        bounded, order = Conditions([*part.texts], [*part.values]), self._order()
        if self.start is not None:
            beyond = ">" if self.is_ahead else "<"
            moment, id_ = moment_of(self.start.placed_at), id_of(self.start.id)
            # The first says nothing new, but the index can be entered by it.
            bounded.add(f"placed_at {beyond}= {MOMENT}", moment)
            text = f"(placed_at {beyond} {MOMENT} OR id {beyond} {ID})"
            bounded.add(text, moment, id_)
        return part_of(number, bounded, order, self.each)

    def _order(self, *, is_reversed: bool = False) -> str:
        word = "ASC" if self.is_ahead is not is_reversed else "DESC"
        return f"placed_at {word}, id {word}"


def moment_of(moment: datetime) -> str:
    return dialect.moment(moment)


def id_of(id_: UUID) -> str:
    """As the column has it: SQLite's is text."""
    return str(id_) if dialect.IS_POSTGRES else id_.hex


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


# --- the calls that are read, a table `h` --------------------------------------------


def with_calls(parts: Sequence[str]) -> str:
    """The statement's first words."""
    listed = " UNION ALL ".join(
        f"SELECT * FROM ({text}) p{number}"  # noqa: S608
        for number, text in enumerate(parts)
    )
    return f"WITH h AS MATERIALIZED ({listed})"


def part_of(
    number: int, part: Conditions, order: str, limit: int
) -> tuple[str, list[Any]]:
    sql = (
        f"SELECT {number} AS part, {', '.join(COLUMNS)} FROM billing_hold "  # noqa: S608
        f"WHERE {part.text} AND NOT is_envelope ORDER BY {order} LIMIT {limit}"
    )
    return sql, list(part.values)
