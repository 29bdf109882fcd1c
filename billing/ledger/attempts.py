"""Which earlier attempts at its request keep a call from being held.

Asked under the account's lock, in the transaction that places the hold: of two attempts
at once, in whatever processes, the later one finds the earlier.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.ledger import dialect, sql
from billing.ledger.pipeline import Row, Statement
from billing.values import clock, errors
from billing.values.orders import AttemptMark, Order, Place


@dataclass(slots=True)
class AttemptRow:
    """An attempt as it is, or as it will be written."""

    hold_id: str
    fingerprint: str
    retry_count: int
    placed_at: str  # as `dialect.moment` tells it
    is_nothing: bool = False  # given back: it cost nothing, and nobody doubts that
    content: str = ""
    lease_id: str | None = None
    joined_by: str | None = None
    is_lost: bool = False
    is_new: bool = False


def question(orders: Iterable[Order[object]]) -> dict[str, Statement]:
    """What `store.load` has to ask for `orders`, by its name; it may be nothing."""
    placed = [order for order in orders if isinstance(order, Place)]
    marks = [order.attempt for order in placed if order.attempt]
    if not marks:
        return {}
    since = clock.now() - timedelta(seconds=max(mark.window_seconds for mark in marks))
    fingerprints = dialect.json(sorted({mark.fingerprint for mark in marks}))
    return {"attempts": (sql.READ_ATTEMPTS, fingerprints, dialect.moment(since))}


def read(rows: Iterable[Row]) -> list[AttemptRow]:
    """What `sql.READ_ATTEMPTS` found."""
    return [
        AttemptRow(
            dialect.hex_id(hold_id),
            dialect.hex_id(fingerprint),
            retry_count,
            placed_at,
            bool(is_nothing),
        )
        for hold_id, fingerprint, retry_count, placed_at, is_nothing in rows
    ]


def new(order: Place, mark: AttemptMark, placed_at: str) -> AttemptRow:
    """The attempt that is placed with `order`."""
    return AttemptRow(
        order.hold_id,
        mark.fingerprint,
        mark.retry_count,
        placed_at,
        content=mark.content,
        lease_id=order.lease_id,
        is_new=True,
    )


def refuse_repeat(
    known: Sequence[AttemptRow], mark: AttemptMark, now: datetime
) -> None:
    """Raises: AttemptExists, Overtaken.

    Under a key there is one call. Without one, who asks the same again asks for another
    answer: a first attempt is kept back only by a retry that was faster, a retry by
    whatever it was not told to be made beside. A client counts its attempts: what has
    the same number, or a higher one, is another client's.
    """
    others = [
        each
        for each in known
        if each.fingerprint == mark.fingerprint and not each.is_nothing
    ]
    if not mark.is_keyed:
        others = [each for each in others if each.hold_id not in mark.besides]
        # Both times by the same two clocks, whatever they show.
        waited = timedelta(seconds=time.monotonic() - mark.arrived)
        arrived_at = dialect.moment(now - waited)
        for each in others:
            if each.retry_count > mark.retry_count and each.placed_at > arrived_at:
                raise errors.Overtaken
        others = [each for each in others if each.retry_count < mark.retry_count]
    if others:
        raise errors.AttemptExists(frozenset(each.hold_id for each in others))
