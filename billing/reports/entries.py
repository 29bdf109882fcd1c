"""The entries of one account in their order: where an instant is, and what each says.

An entry happens at its `created_at`, which never goes back inside an account. What is
so "at" an instant is what all entries *before* it made: an entry of that very
microsecond belongs to the time after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from billing.ledger import dialect
from billing.reports import keys

PIECE = 2000
SPENDER = 13  # its place in a row of `LINES`

# PLAN: twenty look-ups by the entries' key find one of a million. Time never goes back
# in an account, so it needs no index of its own, which each settlement would write.
LAST_BEFORE = """
WITH RECURSIVE steps(low, high) AS (
    SELECT CAST(0 AS bigint), version FROM billing_account WHERE id = %s
    UNION ALL
    SELECT CASE WHEN e.created_at < %s THEN e.version ELSE s.low END,
           CASE WHEN e.created_at < %s THEN s.high ELSE e.version - 1 END
    FROM steps s JOIN billing_entry e
      ON e.account_id = %s AND e.version = (s.low + s.high + 1) / 2
    WHERE s.low < s.high)
SELECT s.low, e.balance_after_micros FROM steps s LEFT JOIN billing_entry e
  ON e.account_id = %s AND e.version = s.low
WHERE s.low >= s.high
"""

LINES = """
SELECT e.version, e.created_at, e.amount_micros, e.balance_after_micros,
       t.id, t.kind, t.reference, t.hold_id, t.correction_id,
       g.source, c.kind, h.operation, h.model, h.spender_id, h.spender_label,
       h.project_label, h.holder_label, h.project_id, h.holder_id
FROM billing_entry e
JOIN billing_transfer t ON t.id = e.transfer_id
LEFT JOIN billing_grant g ON g.transfer_id = t.id
LEFT JOIN billing_correction c ON c.id = t.correction_id
LEFT JOIN billing_hold h ON h.id = t.hold_id
WHERE e.account_id = %s AND e.version > %s AND e.version <= %s
ORDER BY e.version
"""

LINES_AT = LINES.replace("e.version > %s AND e.version <= %s", "e.version IN ({})")


@dataclass(frozen=True, slots=True)
class Position:
    """An instant of an account: its last entry before it, and the balance that left."""

    version: int
    balance_micros: int


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One entry of an organization's account, with what it was for."""

    version: int
    at: datetime
    amount_micros: int  # signed
    balance_micros: int  # after it
    transfer_id: UUID
    kind: str
    reference: str
    hold_id: UUID | None
    correction_id: UUID | None
    source: str  # of the grant that it made
    correction: str  # the kind of the second word that it carries out
    operation: str
    model: str
    spender_id: int | None
    key_id: int  # the first of those that were rotated into it; 0: no call
    spender_label: str  # this and the next two as they were called then
    project_label: str
    holder_label: str
    project_id: int | None
    holder_id: int | None


def position_at(account_id: int, moment: datetime) -> Position:
    """In one query of a few key look-ups, however many entries there are.

    Raises: LookupError when an entry in between is missing, or the account.
    """
    at = connection.ops.adapt_datetimefield_value(moment)
    parameters = (account_id, at, at, account_id, account_id)
    with connection.cursor() as cursor:
        cursor.execute(LAST_BEFORE, parameters)
        found = cursor.fetchone()
    if found is None:
        raise LookupError(f"the entries of account {account_id} have a gap")
    version, balance = found
    return Position(version, balance or 0)


def lines_between(account_id: int, after: int, until: int) -> Iterator[LedgerLine]:
    """The entries with the versions after + 1 … until, in order: read in pieces, so
    that any number of them takes the memory of one piece."""
    for low in range(after, until, PIECE):
        parameters = (account_id, low, min(low + PIECE, until))
        yield from _lines(LINES, parameters)


def lines_at(account_id: int, versions: Sequence[int]) -> list[LedgerLine]:
    """The entries with these versions, in order."""
    if not versions:
        return []
    text = LINES_AT.format(", ".join(["%s"] * len(versions)))
    return list(_lines(text, (account_id, *versions)))


def _lines(sql: str, parameters: tuple[int, ...]) -> Iterator[LedgerLine]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows = cursor.fetchall()
    one = keys.first_keys({row[SPENDER] for row in rows if row[SPENDER]})
    for row in rows:
        yield _line(row, one.get(row[SPENDER], row[SPENDER] or 0))


def _line(row: tuple[Any, ...], key_id: int) -> LedgerLine:
    version, at, amount, balance, transfer, kind, reference, hold, correction, *of = row
    source, said, operation, model, spender_id, *of = of
    spender_label, project_label, holder_label, project_id, holder_id = of
    return LedgerLine(
        version=version,
        at=dialect.instant(at),
        amount_micros=amount,
        balance_micros=balance,
        transfer_id=_uuid(transfer),
        kind=kind,
        reference=reference,
        hold_id=_uuid(hold) if hold else None,
        correction_id=_uuid(correction) if correction else None,
        source=source or "",
        correction=said or "",
        operation=operation or "",
        model=model or "",
        spender_id=spender_id,
        key_id=key_id,
        spender_label=spender_label or "",
        project_label=project_label or "",
        holder_label=holder_label or "",
        project_id=project_id,
        holder_id=holder_id,
    )


def _uuid(value: Any) -> UUID:
    """SQLite stores it as text."""
    return value if isinstance(value, UUID) else UUID(value)
