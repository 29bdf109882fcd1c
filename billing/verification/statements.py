"""Statements of closed months against their hashes, their numbers and the ledger."""

from __future__ import annotations

from collections.abc import Iterator

from billing.models import Statement
from billing.reports.entries import position_at
from billing.values.digests import chained
from billing.verification.registry import Wrong

CODE = "STATEMENT_MISMATCH"


def wrong_statements() -> Iterator[Wrong]:
    """In the order in which they were closed, account by account."""
    before: Statement | None = None
    rows = Statement.objects.order_by("account_id", "number", "part")
    for row in rows.iterator(500):
        if before is not None and before.account_id != row.account_id:
            before = None
        for words in _wrong(row, before):
            detail = f"account={row.account_id} statement={row.label}: {words}"
            yield Wrong(CODE, detail)
        before = row


def _wrong(row: Statement, before: Statement | None) -> Iterator[str]:
    if row.digest != chained(row.previous, row.figures):
        yield "its figures are not those that it was closed with"
    if row.previous != (before.digest if before else ""):
        yield "it does not follow on the one before it"
    follow = (
        [(before.number, before.part + 1), (before.number + 1, 0)] if before else []
    )
    if (row.number, row.part) not in (follow or [(1, 0)]):
        yield "there is a gap before it"
    if row.part:
        return
    for name, at in (("opening", row.starts_at), ("closing", row.ends_at)):
        try:
            there = position_at(row.account_id, at).balance_micros
        except LookupError:
            yield f"there are entries missing at its {name}"
            continue
        if there != getattr(row, f"{name}_micros"):
            yield f"its {name} is not the ledger's, which is {there}"
