"""Orders and the callers that wait for them: each has its outcome in time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from django.db import connection

from billing.ledger import commit as ledger
from billing.values import errors
from billing.values.connection import once_more_if_lost
from billing.values.orders import Order
from billing.values.patience import patience

logger = logging.getLogger(__name__)

# A caller is told within 20 seconds, whatever the database does: this long it waits
# for its turn and its commit, and the last commit may take so long more.
ANSWER_SECONDS = 18
LAST_COMMIT_SECONDS = 2


class Waiting(NamedTuple):
    """An order and the caller that waits for its outcome, not longer than `until`."""

    order: Order[Any]
    future: asyncio.Future[Any]
    until: float  # monotonic

    @classmethod
    def now(cls, order: Order[Any], future: asyncio.Future[Any]) -> Waiting:
        return cls(order, future, time.monotonic() + ANSWER_SECONDS)


def committed(batch: Sequence[Waiting], *, lock_ms: int) -> Sequence[Any]:
    """The outcome of each; an error for all of them when the database takes nothing.
    Ends in time for the caller that has waited longest."""
    orders = [waiting.order for waiting in batch]
    left = min(waiting.until for waiting in batch) - time.monotonic()
    try:
        with patience(max(left, LAST_COMMIT_SECONDS)):
            # Each order says which hold it means: given twice, it is answered as a
            # repeat.
            return once_more_if_lost(lambda: ledger.commit(orders, lock_ms=lock_ms))
    except errors.LedgerUnavailable as error:
        logger.error("the ledger did not take %d orders: %s", len(orders), error)
        failure = error
    except Exception as error:  # noqa: BLE001  its thread must outlive any batch
        logger.exception("the ledger failed on %d orders", len(orders))
        failure = errors.LedgerUnavailable(str(error))
    connection.close()
    return [failure] * len(orders)


def deliver(answered: Iterable[tuple[Waiting, object]]) -> None:
    """Give the callers their outcomes, each in its own event loop."""
    deliveries = defaultdict(list)
    for waiting, outcome in answered:
        loop = waiting.future.get_loop()
        deliveries[loop].append((waiting.future, outcome))
    for loop, delivered in deliveries.items():
        with suppress(RuntimeError):  # a closed loop: nobody waits any more
            loop.call_soon_threadsafe(_deliver, delivered)


def _deliver(delivered: list[tuple[asyncio.Future[Any], object]]) -> None:
    for future, outcome in delivered:
        if not future.done():
            future.set_result(outcome)
