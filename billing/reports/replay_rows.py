"""What a replayed limit reads: sums of ten minutes first, then the calls of those
stretches in which it may have bound. Times are texts, as `dialect.moment` writes
them: most are only compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from billing.ledger import dialect
from billing.ledger.budget_count import First
from billing.ledger.budgets import Call

BUCKET = timedelta(minutes=10)
# Ten minutes that a call was placed in, as text on SQLite.
_BUCKET = (
    "date_bin(INTERVAL '10 minutes', h.placed_at, TIMESTAMPTZ '2000-01-01 00:00:00+00')"
    if dialect.IS_POSTGRES
    else "substr(h.placed_at, 1, 15)"
)
# A run keeps what was put in; what a call kept is in its own row.
_AMOUNT = "CASE WHEN h.is_envelope THEN h.bound_micros ELSE h.amount_micros END"
_ENDED = "CASE WHEN h.state IN ('settled', 'released') THEN h.changed_at END"
# When all of them had ended; null while one runs.
_LATEST = f"CASE WHEN count(*) = count({_ENDED}) THEN max(h.changed_at) END"
_COLUMNS = (
    f"h.id, {dialect.time_text('h.placed_at')}, {dialect.time_text(_ENDED)}, "
    f"{_AMOUNT}, coalesce(u.charged_micros, 0), "
    "h.spender_id, h.operation, h.model, h.is_envelope, h.spender_label"
)
_FROM = "FROM billing_hold h LEFT JOIN billing_usagerecord u ON u.hold_id = h.id"


@dataclass(slots=True)
class Stretch:
    """The calls that were placed within ten minutes and would have been checked."""

    starts: datetime
    count: int = 0
    sum_micros: int = 0
    least_micros: int = 0
    runs: int = 0
    last_end: datetime = datetime.min.replace(tzinfo=UTC)

    def add(
        self, count: int, total: int, least: int, runs: int, last_end: datetime
    ) -> None:
        self.least_micros = min(least, self.least_micros) if self.count else least
        self.count += count
        self.sum_micros += total
        self.runs += runs
        self.last_end = max(self.last_end, last_end)


@dataclass(frozen=True, slots=True)
class Placed:
    """A call, or a run, as it was held: times as the database has them."""

    id: Any
    at: str
    ended_at: str | None  # None: it runs
    amount_micros: int
    charged_micros: int
    spender_id: int
    model: str
    is_run: bool
    label: str


class Rows:
    """The holds that a limit is for: whose, of which operation; and the models, of
    which the database knows no patterns."""

    def __init__(self, first: First, *, binds_everybody: bool) -> None:
        self.operation, self.pattern = first.row.operation, first.row.model_pattern
        self._row, self._parameters = first.row, [first.row.account_id]
        texts = ["h.account_id = %s"]
        if not binds_everybody:
            texts.append(self._whose(first))
        if first.row.operation:
            texts.append("h.operation = %s")
            self._parameters.append(first.row.operation)  # type: ignore[arg-type]  # as they come
        # A run is spent on anything: a limit for some models counts its calls instead.
        is_for_some = bool(first.row.operation or first.row.model_pattern)
        texts.append("NOT h.is_envelope" if is_for_some else "h.envelope_id IS NULL")
        self._where = " AND ".join(texts)

    def _whose(self, first: First) -> str:
        keys = ", ".join(map(str, sorted(first.spenders))) or "0"
        project, holder = first.units
        if (project, holder) == (None, None):
            return f"h.spender_id IN ({keys})"
        units = {"project_id": project, "holder_id": holder}
        named = " AND ".join(f"h.{n} = {int(u)}" for n, u in units.items() if u)
        unnamed = "h.project_id IS NULL AND h.holder_id IS NULL"
        return f"({named} OR ({unnamed} AND h.spender_id IN ({keys})))"

    def is_for(self, operation: str, model: str) -> bool:
        call = Call(0, operation, model)
        return not self._row.model_pattern or self._row.is_for(call)

    def stretches(self, since: datetime, until: datetime) -> list[Stretch]:
        """In order; those without a call are left out."""
        of = ", h.operation, h.model" if self._row.model_pattern else ", '', ''"
        group = "1, h.operation, h.model" if self._row.model_pattern else "1"
        found: dict[datetime, Stretch] = {}
        for starts, operation, model, *sums, last in self._ask(
            f"SELECT {_BUCKET}{of}, count(*), sum({_AMOUNT}), min({_AMOUNT}), "
            f"sum(CASE WHEN h.is_envelope THEN 1 ELSE 0 END), {_LATEST} "
            f"FROM billing_hold h WHERE {self._where} AND h.placed_at >= %s "
            f"AND h.placed_at < %s GROUP BY {group}",
            since,
            until,
        ):
            if self.is_for(operation, model):
                at = _bucket(starts)
                stretch = found.setdefault(at, Stretch(at))
                count, total, least, runs = map(int, sums)
                stretch.add(count, total, least, runs, _end(last))
        return [found[at] for at in sorted(found)]

    def placed(self, since: datetime, until: datetime) -> Iterator[Placed]:
        """Calls and runs, in the order of their holding."""
        for row in self._ask(
            f"SELECT {_COLUMNS} {_FROM} WHERE {self._where} AND h.placed_at >= %s "
            "AND h.placed_at < %s ORDER BY h.placed_at, h.id",
            since,
            until,
        ):
            if self.is_for(row[6], row[7]):
                yield _placed(row)

    def spenders(self, since: datetime, until: datetime) -> set[int]:
        """Whose calls these are."""
        rows = self._ask(
            "SELECT DISTINCT h.spender_id, h.operation, h.model FROM billing_hold h "
            f"WHERE {self._where} AND h.placed_at >= %s AND h.placed_at < %s",
            since,
            until,
        )
        return {spender for spender, *of in rows if self.is_for(*of)}

    def _ask(self, sql: str, since: datetime, until: datetime) -> list[Any]:
        times = map(connection.ops.adapt_datetimefield_value, (since, until))
        with connection.cursor() as cursor:
            cursor.execute(sql, [*self._parameters, *times])
            return list(cursor.fetchall())


def calls_of_runs(run_ids: list[Any]) -> dict[Any, list[Placed]]:
    """The calls of these runs, and of runs inside them, by the outermost run."""
    found: dict[Any, list[Placed]] = {run: [] for run in run_ids}
    outermost = {run: run for run in run_ids}
    level = list(run_ids)
    while level:
        marks = ", ".join(["%s"] * len(level))
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT h.envelope_id, {_COLUMNS} {_FROM} "
                f"WHERE h.envelope_id IN ({marks})",
                level,
            )
            rows = cursor.fetchall()
        level = []
        for run, *row in rows:
            call = _placed(row)
            outermost[call.id] = outermost[run]
            if call.is_run:
                level.append(call.id)
            else:
                found[outermost[run]].append(call)
    return found


def _placed(row: Sequence[Any]) -> Placed:
    hold_id, at, ended, amount, charged, spender_id, _, model, is_run, label = row
    return Placed(
        hold_id, at, ended, amount, charged, spender_id, model, bool(is_run), label
    )


def _bucket(value: Any) -> datetime:
    return dialect.instant(f"{value}0:00" if isinstance(value, str) else value)


def _end(value: Any) -> datetime:
    """Of what runs, the end of time."""
    if value is None:
        return datetime.max.replace(tzinfo=UTC)
    return instant(value)


def instant(value: Any) -> datetime:
    """To be shown, or compared with another database's."""
    return dialect.instant(value)
