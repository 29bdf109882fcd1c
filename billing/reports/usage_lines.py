"""Every line of usage of a range, one by one, the oldest first: calls, then what was
corrected. However many there are, they are read in pieces along an index.

The sum of their charges is what all other reports of usage say (`usage.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from billing.ledger import dialect
from billing.reports.activity_sql import ID, MOMENT
from billing.reports.periods import Range

PIECE = 5000


class UsageLine(NamedTuple):
    """A call, or a correction of one; `at` is when it was booked."""

    at: datetime
    id: str  # the hold's, 32 hexadecimal digits
    spender_id: int
    project_id: int | None
    holder_id: int | None
    spender_label: str
    project_label: str
    holder_label: str
    operation: str
    model: str
    client: str
    session: str
    basis: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    charged_micros: int
    flags: str
    streamed: Any
    duration_ms: int


_OF_CALLER = (
    *("spender_id", "project_id", "holder_id", "spender_label", "project_label"),
    *("holder_label", "operation", "model", "client", "session"),
)
# PLAN: one index scan a piece. The second condition says nothing new about rows of
# another instant, but the index can be entered by the first.
_CALLS = (
    f"SELECT u.settled_at, u.hold_id, {', '.join(f'u.{n}' for n in _OF_CALLER)}, "  # noqa: S608
    "u.basis, 1, u.prompt_tokens, u.completion_tokens, u.charged_micros, u.flags, "
    "u.streamed, u.duration_ms FROM billing_usagerecord u "
    f"WHERE u.account_id = %s AND u.settled_at >= {MOMENT} AND u.settled_at < {MOMENT} "
    f"AND (u.settled_at > {MOMENT} OR u.hold_id > {ID}) "
    "ORDER BY u.settled_at, u.hold_id LIMIT %s"
)
_NAMES = ", ".join(
    f"h.{name}" if name.endswith("_label") or name == "session" else f"c.{name}"
    for name in _OF_CALLER
)
_WORDS = (
    f"SELECT c.ended_at, c.hold_id, {_NAMES}, c.basis, c.requests, c.prompt_tokens, "  # noqa: S608
    "c.completion_tokens, c.charged_micros, c.kind, NULL, 0, c.id "
    "FROM billing_correction c JOIN billing_hold h ON h.id = c.hold_id "
    f"WHERE c.account_id = %s AND c.state = 'posted' AND c.ended_at >= {MOMENT} "
    f"AND c.ended_at < {MOMENT} AND (c.ended_at > {MOMENT} OR c.id > {ID}) "
    "ORDER BY c.ended_at, c.id LIMIT %s"
)
_FIRST = "0" * 32 if not dialect.IS_POSTGRES else "00000000-" + "0000-" * 3 + "0" * 12


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines of one sort."""

    sort: str  # call or correction
    lines: list[UsageLine]


def pieces(account_id: int, span: Range, size: int = PIECE) -> Iterator[Piece]:
    """All of the range, in pieces."""
    for sort, sql, id_place in (("call", _CALLS, 1), ("correction", _WORDS, -1)):
        at, last = dialect.moment(span.start), _FIRST
        end = dialect.moment(span.end)
        while True:
            with connection.cursor() as cursor:
                cursor.execute(sql, [account_id, at, end, at, last, size])
                rows = cursor.fetchall()
            if not rows:
                break
            yield Piece(sort, [_line(row) for row in rows])
            at = dialect.moment(dialect.instant(rows[-1][0]))
            last = str(rows[-1][id_place])
            if len(rows) < size:
                break


def _line(row: tuple[Any, ...]) -> UsageLine:
    return UsageLine(dialect.instant(row[0]), dialect.hex_id(row[1]), *row[2:20])
