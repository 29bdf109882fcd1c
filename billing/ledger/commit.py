"""One transaction for many orders: what pages, tasks and the gateway's group commit
all call.

An order that the database itself rejects is found by committing its batch one by one,
so that it cannot take its neighbours down.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)

from billing.ledger import dialect, rules, store
from billing.values import errors
from billing.values.crashpoints import crashpoint
from billing.values.orders import Entrust, Order, Place, R

logger = logging.getLogger(__name__)


def commit(orders: Sequence[Order[R]]) -> list[R | errors.LedgerError]:
    """Carry out `orders`, in the order given, in one transaction: the caller's, or
    its own. For each its outcome, or the error that it alone met.

    The first resolution of a hold stands; later ones are answered as repeats. Give
    resolutions first: what they free can then be placed.

    Raises: LedgerUnavailable when nothing could be written at all.
    """
    if not orders:
        return []
    crashpoint("ledger.before_commit")
    try:
        outcomes = _commit(orders)
    except (OperationalError, InterfaceError) as error:
        raise errors.LedgerUnavailable(str(error).strip()) from error
    except (DatabaseError, ValueError) as error:
        if len(orders) == 1:
            logger.exception("an order was rejected: %s", type(orders[0]).__name__)
            return [errors.LedgerError(str(error))]
    else:
        crashpoint("ledger.after_commit")
        return outcomes
    return [_commit_alone(order) for order in orders]


def _commit_alone(order: Order[R]) -> R | errors.LedgerError:
    """One order of a batch that failed. Those before it stand, so that the database
    is gone now is this order's outcome, not the batch's."""
    try:
        return commit([order])[0]
    except errors.LedgerUnavailable as error:
        return error


def _commit(orders: Sequence[Order[R]]) -> list[R | errors.LedgerError]:
    if dialect.IS_POSTGRES and not connection.in_atomic_block:
        # BEGIN rides with the first question and COMMIT with the last change: two
        # round trips, where a transaction of Django's own takes four.
        with dialect.rolled_back_on_error():
            return _carry_out(orders, opening=("BEGIN",), closing=("COMMIT",))
    with transaction.atomic():
        return _carry_out(orders)


def _carry_out(
    orders: Sequence[Order[R]],
    *,
    opening: Sequence[str] = (),
    closing: Sequence[str] = (),
) -> list[R | errors.LedgerError]:
    book = store.load(orders, opening=opening)
    outcomes = [rules.apply(book, order) for order in orders]
    store.save(book, closing=closing)
    return outcomes


def needs_credits(order: Order[object]) -> bool:
    """Whether the order takes credits; sort by it so that freed ones come first."""
    return isinstance(order, Place | Entrust)
