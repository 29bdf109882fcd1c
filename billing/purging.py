"""Deleting many rows so that nobody waits long for it."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

ROWS = 500  # a few milliseconds of SQLite's one lock


def purge(rows: QuerySet[Any], *, batch_rows: int = ROWS) -> int:
    """Delete these, so many in a transaction; how many went, with what hung on them.
    What was deleted stays so when it is interrupted, and a row that is none of these
    any more when its turn comes is kept."""
    gone = 0
    while True:
        chosen = list(rows.values_list("pk", flat=True)[:batch_rows])
        if chosen:
            gone += rows.order_by().filter(pk__in=chosen).delete()[0]
        if len(chosen) < batch_rows:
            return gone
