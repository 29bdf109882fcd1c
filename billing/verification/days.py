"""Days verified: what the worker added up (`billing.usage_days`), added up again.

In the database, which groups and compares: of each account the days of its own zone,
as far as they are said to be made, are joined with its quarters, those by session with
its single lines, and what was made is taken from what there should be. The other cuts
are sums of the finest one. An account that has no days costs nothing.

Days that are not made at all (`until` is null) nobody reads: the worker deletes them
step by step when a time zone has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from django.db import connection
from django.db.models import OuterRef, Subquery

from billing.ledger import dialect
from billing.models import UsageDays, UsageRollup
from billing.models.usage_day import DIVIDED_BY, OF_LINES, Cut
from billing.reports import usage_sql
from billing.reports.periods import DAY, Bucket, day_of, day_start, floor
from billing.verification.registry import Wrong

CODE = "DAY_MISMATCH"
# Days that one statement compares; of one account they may be more.
DAYS_AT_ONCE = 10_000
ROWS_AT_ONCE = 2000
# Of an account: the day, its first moment, and the first that is no longer in it.
Piece = tuple[int, str, str, str]

_SUBJECTS = DIVIDED_BY[Cut.SESSION]
_FIGURES = usage_sql.FIGURES
_GROUP = ", ".join(("account_id", "cut", "day", *_SUBJECTS))


def wrong_days() -> Iterator[Wrong]:
    """Days that are not what they should be, in the caller's snapshot."""
    yield from _found(_OF_NOBODY, [])
    yield from _found(_OTHER_CUTS, [])
    pieces: list[Piece] = []
    for made, first in _made():
        yield from _wrong_state(made, first)
        pieces += _pieces(made, first)
        if len(pieces) >= DAYS_AT_ONCE:
            yield from _differing(pieces)
            pieces = []
    if pieces:
        yield from _differing(pieces)


def _made() -> Iterator[tuple[UsageDays, datetime | None]]:
    """The accounts that have days, each with the start of its first quarter."""
    quarters = UsageRollup.objects.filter(account_id=OuterRef("account_id"))
    first = Subquery(quarters.order_by("starts_at").values("starts_at")[:1])
    rows = UsageDays.objects.select_related("account").annotate(first=first)
    for made in rows.order_by("account_id").iterator(ROWS_AT_ONCE):
        yield made, made.first


def _wrong_state(made: UsageDays, first: datetime | None) -> Iterator[Wrong]:
    if not _is_zone(made.zone):
        yield Wrong(CODE, f"account={made.account_id} zone={made.zone}")
    elif made.until is not None and made.until > _latest(made, first):
        yield Wrong(CODE, f"account={made.account_id} until={made.until}")


def _is_zone(name: str) -> bool:
    try:
        day_start(name, date(2000, 1, 1))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _latest(made: UsageDays, first: datetime | None) -> datetime:
    """Until when the account's days may be made: quarters are complete before its last
    entry. What is before its first call is empty, whatever comes."""
    moments = [] if first is None else [day_start(made.zone, day_of(made.zone, first))]
    if made.account.last_entry_at is not None:
        moments.append(floor(made.account.last_entry_at, Bucket.QUARTER, "UTC"))
    return max(moments, default=datetime.min.replace(tzinfo=UTC))


def _pieces(made: UsageDays, first: datetime | None) -> list[Piece]:
    """The days from the first call on; an empty one, if there is none, so that what
    the account has is compared with nothing."""
    if made.until is None or not _is_zone(made.zone):
        return []
    until = min(made.until, _latest(made, first))
    start = first or until
    found: list[Piece] = []
    day = day_of(made.zone, start)
    while not found or start < until:
        start, end = day_start(made.zone, day), day_start(made.zone, day + DAY)
        moments = (dialect.moment(start), dialect.moment(min(end, until)))
        found.append((made.account_id, day.isoformat(), *moments))
        start, day = end, day + DAY
    return found


def _differing(pieces: list[Piece]) -> Iterator[Wrong]:
    for statement in (_FROM_QUARTERS, _FROM_LINES):
        yield from _found(statement, [dialect.json(pieces)])


def _found(statement: str, values: list[Any]) -> Iterator[Wrong]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, values)
        names = [column[0] for column in cursor.description]
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            for row in rows:
                told = zip(names, row, strict=True)
                yield Wrong(CODE, " ".join(f"{name}={value}" for name, value in told))


# --- the statements ------------------------------------------------------------------

# Days of an account that nobody has made.
_OF_NOBODY = """
    SELECT d.account_id AS account, count(*) AS days_without_state
    FROM billing_usageday d
    WHERE NOT EXISTS (SELECT 1 FROM billing_usagedays m
                      WHERE m.account_id = d.account_id)
    GROUP BY d.account_id"""


def _difference(stored: str, derived: str) -> str:
    """Groups of which there is not one row and what it should be; the figures are by
    how much too large it is."""
    over = ", ".join(f"sum({name}) AS {name}_over" for name in _FIGURES)
    wrong = " OR ".join(f"sum({name}) <> 0" for name in _FIGURES)
    return (
        f"SELECT {_GROUP}, sum(is_stored) AS stored, {over} "  # noqa: S608
        f"FROM ({stored} UNION ALL {derived}) AS difference GROUP BY {_GROUP} "
        f"HAVING sum(is_stored) <> 1 OR min(is_stored) <> 0 OR {wrong}"
    )


def _stored(where: str) -> str:
    """The rows of days; a date is text on both databases."""
    subjects = ", ".join(f"d.{name}" for name in _SUBJECTS)
    figures = ", ".join(f"d.{name}" for name in _FIGURES)
    return (
        f"SELECT d.account_id, d.cut, CAST(d.day AS text) AS day, {subjects}, "  # noqa: S608
        f"1 AS is_stored, {figures} FROM billing_usageday d {where}"
    )


def _of_finest(cut: Cut) -> str:
    """What the rows of a cut should be, by those of the finest one."""
    by = DIVIDED_BY[cut]
    finest = Cut.SESSION if cut in OF_LINES else Cut.ALL
    nothing = {name: "0" if name.endswith("_id") else "''" for name in _SUBJECTS}
    subjects = ", ".join(
        f"d.{name}" if name in by else nothing[name] for name in _SUBJECTS
    )
    figures = ", ".join(f"-sum(d.{name})" for name in _FIGURES)
    groups = ", ".join(("d.account_id", "d.day", *(f"d.{name}" for name in by)))
    return (
        f"SELECT d.account_id, '{cut.value}', CAST(d.day AS text), {subjects}, 0, "  # noqa: S608
        f"{figures} FROM billing_usageday d {_ARE_MADE} AND d.cut = '{finest.value}' "
        f"GROUP BY {groups}"
    )


_ARE_MADE = (
    "JOIN billing_usagedays m ON m.account_id = d.account_id WHERE m.until IS NOT NULL"
)
_OTHER_CUTS = _difference(
    _stored(f"{_ARE_MADE} AND d.cut NOT IN ('all', 'session')"),
    " UNION ALL ".join(
        _of_finest(cut) for cut in Cut if cut not in (Cut.ALL, Cut.SESSION)
    ),
)

if dialect.IS_POSTGRES:
    _PIECES = (
        "SELECT (value->>0)::bigint AS account_id, value->>1 AS day, "
        "(value->>2)::timestamptz AS a, (value->>3)::timestamptz AS b "
        "FROM jsonb_array_elements(%s::jsonb)"
    )
else:
    _PIECES = (
        "SELECT json_extract(value, '$[0]') AS account_id, "
        "json_extract(value, '$[1]') AS day, json_extract(value, '$[2]') AS a, "
        "json_extract(value, '$[3]') AS b FROM json_each(%s)"
    )
# The first of the keys that are one, for each that is not itself that: `reports.keys`.
_FIRSTS = """
    up(id, above) AS (
        SELECT s.id, coalesce(s.counts_as_id, s.parent_id) FROM billing_spender s
        WHERE (s.counts_as_id IS NOT NULL OR s.parent_id IS NOT NULL)
          AND s.account_id IN (SELECT account_id FROM p)
        UNION
        SELECT up.id, coalesce(s.counts_as_id, s.parent_id)
        FROM up JOIN billing_spender s ON s.id = up.above
        WHERE s.counts_as_id IS NOT NULL OR s.parent_id IS NOT NULL),
    f AS (SELECT id, min(above) AS first FROM up GROUP BY id)"""


def _within(source: str, moment: str) -> str:
    """Each day with its rows of `source`, which are found by their index: the databases
    are not asked for a better way, there is none."""
    of_the_day = (
        f"r.account_id = p.account_id AND r.{moment} >= p.a AND r.{moment} < p.b"
    )
    if dialect.IS_POSTGRES:
        rows = f"(SELECT * FROM {source} r WHERE {of_the_day} OFFSET 0)"  # noqa: S608
        return f"p CROSS JOIN LATERAL {rows} r"
    return f"p CROSS JOIN {source} r ON {of_the_day}"


def _derived(cut: Cut, source: str, moment: str, session: str) -> str:
    figures = ", ".join(f"-r.{name}" for name in _FIGURES)
    return (
        f"SELECT p.account_id, '{cut.value}', p.day, "  # noqa: S608
        "coalesce(f.first, r.spender_id), coalesce(r.project_id, 0), "
        f"coalesce(r.holder_id, 0), r.operation, r.model, r.client, {session}, 0, "
        f"{figures} FROM {_within(source, moment)} "
        "LEFT JOIN f ON f.id = r.spender_id"
    )


def _compared(cut: Cut, derived: str) -> str:
    stored = _stored(
        f"WHERE d.cut = '{cut.value}' AND d.account_id IN (SELECT account_id FROM p)"
    )
    return f"WITH RECURSIVE p AS ({_PIECES}), {_FIRSTS} {_difference(stored, derived)}"


_FROM_QUARTERS = _compared(
    Cut.ALL, _derived(Cut.ALL, "billing_usagerollup", "starts_at", "''")
)
_FROM_LINES = _compared(
    Cut.SESSION,
    _derived(Cut.SESSION, f"({usage_sql.RECORDS})", "settled_at", "r.session")
    + " UNION ALL "
    + _derived(Cut.SESSION, f"({usage_sql.CORRECTIONS})", "ended_at", "r.session"),
)
