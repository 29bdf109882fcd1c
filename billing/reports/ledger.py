"""The ledger of an account: every entry with the balance that it left, by reason and
range, the latest first.

Pages are cut by the entries' versions. Calls are almost all of the entries, so those
are looked for along the versions; whatever else there is by the index that
`explain.py` has for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from billing.ledger import dialect
from billing.models.transfer import TransferKind
from billing.reports import entries
from billing.reports.activity_sql import MOMENT
from billing.reports.entries import LedgerLine, Position, position_at
from billing.reports.explain import Line, Why, beside_calls

CHUNK = 500
# Entries of an account that one transaction writes, at most, by far.
AT_ONCE = 500
BEYOND = (8, 10_000)

OF_CALLS = """
SELECT e.version FROM billing_entry e JOIN billing_transfer t ON t.id = e.transfer_id
WHERE e.account_id = %s AND e.version > %s AND e.version <= %s
  AND t.kind = 'usage' AND t.correction_id IS NULL
ORDER BY e.version {} LIMIT {}
"""

# Whole instants, so that what was booked together is never cut apart. The condition is
# word by word that of the index `transfer_beside_calls`.
_BESIDE = """
FROM billing_transfer t
LEFT JOIN billing_grant g ON g.transfer_id = t.id
LEFT JOIN billing_correction c ON c.id = t.correction_id
WHERE COALESCE(t.source_tenant_id, t.destination_tenant_id) = %s
  AND t.created_at >= {moment} AND t.created_at <= {moment}
  AND (NOT (t.kind IN ('usage', 'absorb')) OR t.correction_id IS NOT NULL)
  AND (t.source_id = %s OR t.destination_id = %s) AND {reason}
"""

# PLAN: of each transfer the place in the entries by halves, as `entries.LAST_BEFORE`,
# and its entry among the few after it.
VERSIONS = """
WITH RECURSIVE steps(at, id, low, high) AS (
    SELECT {pairs}, CAST(0 AS bigint), a.version FROM billing_account a, {source}
    WHERE a.id = %s
    UNION ALL
    SELECT s.at, s.id, CASE WHEN e.created_at < s.at THEN e.version ELSE s.low END,
           CASE WHEN e.created_at < s.at THEN s.high ELSE e.version - 1 END
    FROM steps s JOIN billing_entry e
      ON e.account_id = %s AND e.version = (s.low + s.high + 1) / 2
    WHERE s.low < s.high)
SELECT e.version FROM steps s JOIN billing_entry e
  ON e.account_id = %s AND e.version > s.low AND e.version <= s.low + {at_once}
 AND e.transfer_id = s.id
WHERE s.low >= s.high
"""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of the ledger: what was there at its beginning and at its end."""

    account_id: int
    since: datetime
    until: datetime
    opening: Position
    closing: Position

    @property
    def difference_micros(self) -> int:
        return self.closing.balance_micros - self.opening.balance_micros


def span(account_id: int, since: datetime, until: datetime) -> Span:
    """From `since` until just before `until`. Raises: LookupError where entries are
    missing, or the account."""
    ends = (position_at(account_id, since), position_at(account_id, until))
    return Span(account_id, since, until, *ends)


def reasons(found: Span) -> list[Line]:
    """What the balance changed by, reason by reason. What calls were charged is what
    the rest leaves of the difference, so all add up to it."""
    lines = beside_calls(found.account_id, found.since, found.until)
    others = sum(line.amount_micros for line in lines)
    entries_beside = sum(line.count for line in lines)
    calls = found.closing.version - found.opening.version - entries_beside
    if calls or found.difference_micros != others:
        lines.append(Line(Why.USAGE, found.difference_micros - others, calls))
    order = list(Why)
    return sorted(lines, key=lambda line: order.index(line.why))


def page(
    found: Span, size: int, *, why: Why | None = None, below: int | None = None
) -> list[LedgerLine]:
    """The `size` latest entries of the range, or those below a version; the latest
    first."""
    until = found.closing.version
    if below is not None:
        until = min(until, below - 1)
    after = found.opening.version
    if why is None:
        lines = entries.lines_between(found.account_id, max(after, until - size), until)
        return list(lines)[::-1]
    versions = _versions(found, why, after, until, size)
    return entries.lines_at(found.account_id, versions)[::-1]


def page_above(
    found: Span, size: int, above: int, *, why: Why | None = None
) -> list[LedgerLine]:
    """The `size` entries next to a version, later than it; still the latest first."""
    after, until = max(found.opening.version, above), found.closing.version
    if why is None:
        lines = entries.lines_between(found.account_id, after, min(until, after + size))
        return list(lines)[::-1]
    versions = _versions(found, why, after, until, size, is_ahead=True)
    return entries.lines_at(found.account_id, versions)[::-1]


def chunks(found: Span, why: Why | None = None) -> Iterator[list[LedgerLine]]:
    """All of them, the latest first."""
    below = None
    while lines := page(found, CHUNK, why=why, below=below):
        yield lines
        below = lines[-1].version


# --- where they are ------------------------------------------------------------------


def _versions(
    found: Span, why: Why, after: int, until: int, size: int, *, is_ahead: bool = False
) -> list[int]:
    """Of the entries of one reason after `after`, up to `until`: the first `size`, from
    below or from above."""
    if after >= until:
        return []
    if why == Why.USAGE:
        sql = OF_CALLS.format("ASC" if is_ahead else "DESC", size)
        return [row[0] for row in _rows(sql, [found.account_id, after, until])]
    # By time, as the transfers are; the edges by version again.
    moments = [_time_of(found.account_id, version) for version in (after + 1, until)]
    kept: list[int] = []
    # Some may be booked in the edge's own instant and lie beyond its version.
    for beyond in BEYOND:
        transfers, is_all = _transfers(
            found.account_id, why, moments, size + beyond, is_ahead=is_ahead
        )
        versions = sorted(_entries(found.account_id, transfers), reverse=not is_ahead)
        kept = [version for version in versions if after < version <= until][:size]
        if is_all or len(kept) == size:
            break
    return kept


def _time_of(account_id: int, version: int) -> datetime:
    sql = "SELECT created_at FROM billing_entry WHERE account_id = %s AND version = %s"
    return dialect.instant(_rows(sql, [account_id, version])[0][0])


def _transfers(
    account_id: int,
    why: Why,
    moments: list[datetime],
    size: int,
    *,
    is_ahead: bool,
) -> tuple[list[tuple[str, str]], bool]:
    """Pairs of time and id, all of the instants in which the first `size` are; and
    whether there are no others."""
    reason, values = _reason(why)
    body = _BESIDE.format(moment=MOMENT, reason=reason)
    word, beyond = ("ASC", "<=") if is_ahead else ("DESC", ">=")
    ends = [account_id, *map(dialect.moment, moments), account_id, account_id, *values]
    last = f"SELECT t.created_at {body} ORDER BY t.created_at {word} LIMIT 1 OFFSET %s"
    cut = _rows(last, [*ends, size])
    sql, parameters = f"SELECT t.created_at, t.id {body}", ends
    if cut:
        sql += f" AND t.created_at {beyond} {MOMENT}"
        parameters = [*ends, dialect.moment(dialect.instant(cut[0][0]))]
    rows = _rows(sql, parameters)
    pairs = [(dialect.moment(dialect.instant(at)), str(id_)) for at, id_ in rows]
    return pairs, not cut


def _entries(account_id: int, transfers: list[tuple[str, str]]) -> list[int]:
    """The versions of the account's entries of these transfers."""
    if not transfers:
        return []
    if dialect.IS_POSTGRES:
        pairs = "(p.value->>0)::timestamptz, (p.value->>1)::uuid"
        source = "jsonb_array_elements(%s::jsonb) p"
    else:
        pairs = "json_extract(p.value, '$[0]'), json_extract(p.value, '$[1]')"
        source = "json_each(%s) p"
    sql = VERSIONS.format(pairs=pairs, source=source, at_once=AT_ONCE)
    rows = _rows(sql, [dialect.json(transfers), *[account_id] * 3])
    return [row[0] for row in rows]


def _reason(why: Why) -> tuple[str, list[str]]:
    """Of a transfer, as `explain.why_of` has it."""
    match why:
        case Why.PURCHASE | Why.PROMOTION | Why.TRIAL | Why.ADJUSTMENT:
            return "t.kind = 'grant' AND g.source = %s", [why.value]
        case Why.CREDIT:
            given = "t.kind = 'grant' AND g.source = 'refund'"
            return f"({given} OR t.kind = 'credit' AND c.id IS NULL)", []
        case Why.CORRECTION:
            return "t.kind <> 'grant' AND c.kind <> 'refund'", []
        case Why.REFUND:
            return "t.kind <> 'grant' AND c.kind = 'refund'", []
        case _:
            return "t.kind = %s AND c.id IS NULL", [TransferKind(why.value).value]


def _rows(sql: str, parameters: list[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: list[Any] = cursor.fetchall()
        return found
