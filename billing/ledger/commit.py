"""One transaction for many orders: what pages, tasks and the gateway's group commit
all call.

No order can take its neighbours down. One that makes no sense is refused at the door;
one that the database itself rejects is found by committing its batch one by one; and
one that needs what somebody else keeps locked is set aside, and the rest is done.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from django.db import (
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)

from billing.ledger import dialect, envelopes, rules, store
from billing.ledger.book import Book
from billing.models.hold import HoldState
from billing.values import checks, errors
from billing.values.crashpoints import crashpoint
from billing.values.orders import Entrust, Order, Place, R, Release, Resolved, Withdraw

logger = logging.getLogger(__name__)

# How long a transaction waits for a lock that somebody else has, in milliseconds. Other
# processes keep an account for one commit: this is for those, and not for a session
# that was forgotten.
LOCK_MS = 1000
# The same, once it is known that something is locked and not what.
PROBE_MS = 10
# After so many of these in one call the rest is set aside unseen.
PROBES_MAX = 8

# Not the order's fault: the database is gone, or its tables are of another release.
UNAVAILABLE = (OperationalError, InterfaceError, InternalError, ProgrammingError)


def commit(
    orders: Sequence[Order[R]], *, lock_ms: int = LOCK_MS
) -> list[R | errors.LedgerError]:
    """Carry out `orders`, in the order given, in one transaction: the caller's, or
    its own. For each its outcome, or the error that it alone met: AccountLocked where
    somebody else keeps what it needs for longer than `lock_ms` (0: at all).

    The first resolution of a hold stands; later ones are answered as repeats. Give
    resolutions first: what they free can then be placed.

    Raises: LedgerUnavailable when nothing could be written at all.
    """
    outcomes: list[Any] = [_flaw(order) for order in orders]
    sound = [place for place, flaw in enumerate(outcomes) if flaw is None]
    found = _commit([orders[place] for place in sound], lock_ms)
    for place, outcome in zip(sound, found, strict=True):
        outcomes[place] = outcome
    return outcomes


def _flaw(order: Order[object]) -> errors.LedgerError | None:
    try:
        checks.check(order)
    except ValueError as error:
        logger.error("an order was refused: %s", error)  # noqa: TRY400  it says all
        return errors.LedgerError(str(error))
    return None


def _commit(
    orders: Sequence[Order[R]], lock_ms: int
) -> Sequence[R | errors.LedgerError]:
    if not orders:
        return []
    if lock_ms:
        try:
            return _attempt(orders, lock_ms)
        except errors.AccountLocked:
            pass  # and nobody knows yet by which of them
    return _around_locks(orders)


def _attempt(
    orders: Sequence[Order[R]], lock_ms: int
) -> Sequence[R | errors.LedgerError]:
    """All of them in one transaction, if that can be had.

    Raises: AccountLocked, LedgerUnavailable; nothing of them was written then, or
    nobody knows.
    """
    crashpoint("ledger.before_commit")
    try:
        outcomes = _transaction(orders, lock_ms)
    except errors.LedgerUnavailable:
        raise
    except Exception as error:  # noqa: BLE001  one order's fault is not its neighbours'
        if len(orders) == 1:
            logger.exception("an order was rejected: %s", type(orders[0]).__name__)
            return [errors.LedgerError(str(error))]
        return [_attempt_alone(order) for order in orders]
    crashpoint("ledger.after_commit")
    return outcomes


def _attempt_alone(order: Order[R]) -> R | errors.LedgerError:
    """One order of a batch that failed. Those before it stand, so that the database
    is gone now is this order's outcome, not the batch's."""
    try:
        return _attempt([order], PROBE_MS)[0]
    except errors.LedgerUnavailable as error:
        return error


# --- one transaction ---------------------------------------------------------------


def _transaction(
    orders: Sequence[Order[R]], lock_ms: int
) -> list[R | errors.LedgerError]:
    """Raises: AccountLocked, LedgerUnavailable; what an order's own fault raises."""
    work = _Work(orders, lock_ms)
    try:
        if connection.in_atomic_block:
            with transaction.atomic():
                return work.carry_out()
        # BEGIN rides with the first question and COMMIT with the last change.
        with dialect.bare_transaction() as (opening, closing):
            return work.carry_out(opening=opening, closing=closing)
    except UNAVAILABLE as error:
        if dialect.is_raised_by_trigger(error):  # PostgreSQL calls that no integrity
            raise
        raise work.unavailable(error) from error


class _Work:
    """Some orders on their way through one transaction."""

    def __init__(self, orders: Sequence[Order[Any]], lock_ms: int) -> None:
        self.orders = orders
        self.lock_ms = lock_ms
        self._is_writing = False

    def carry_out(
        self, *, opening: Sequence[str] = (), closing: Sequence[str] = ()
    ) -> list[Any]:
        book = store.load(self.orders, lock_ms=self.lock_ms, opening=opening)
        envelopes.close_due(book)
        outcomes = [_apply(book, order) for order in self.orders]
        self._is_writing = True
        store.save(book, closing=closing)
        return outcomes

    def unavailable(self, error: Exception) -> errors.LedgerUnavailable:
        """What the failure means for the orders."""
        text = str(error).strip()
        if dialect.is_locked(error):
            return errors.AccountLocked(text)
        kind = errors.LedgerUnavailable if self._is_writing else errors.NothingWritten
        return kind(text)


def _apply(book: Book, order: Order[Any]) -> Any:
    if isinstance(order, Withdraw):
        hold = book.holds.get(order.hold_id)
        if hold is None or hold.is_resolved:
            state = hold.state if hold else HoldState.RELEASED
            return Resolved(order.hold_id, state, 0, 0, 0, 0, repeat=True)
        order = Release(order.hold_id, order.account_id, order.reason)
    return rules.apply(book, order)


def needs_credits(order: Order[object]) -> int:
    """Sort by it, so that what is freed comes first, and what a hold is withdrawn for
    after the order that may place it."""
    if isinstance(order, Withdraw):
        return 2
    return int(isinstance(order, Place | Entrust))


# --- around what others keep locked --------------------------------------------------


def _around_locks(orders: Sequence[Order[Any]]) -> list[Any]:
    """What can be done of the orders while somebody keeps locked what others of them
    need: those are AccountLocked. Raises: LedgerUnavailable."""
    try:
        with transaction.atomic():
            free = store.lock_free_accounts(orders, PROBE_MS)
    except UNAVAILABLE as error:
        if not dialect.is_locked(error):
            raise errors.NothingWritten(str(error).strip()) from error
        free = set()  # the whole table is locked
    found = iter(_apart([order for order in orders if order.account_id in free]))
    return [
        next(found) if order.account_id in free else errors.AccountLocked()
        for order in orders
    ]


def _apart(orders: Sequence[Order[Any]]) -> Sequence[Any]:
    """Together if that can be done at once; else each account's by themselves, and
    where there is one account, each order: a row of its own may be what is locked."""
    if not orders:
        return []
    with suppress(errors.AccountLocked):
        return _attempt(orders, PROBE_MS)
    if len(orders) == 1:
        return [errors.AccountLocked()]
    parts: dict[int, list[int]] = {}
    for place, order in enumerate(orders):
        parts.setdefault(order.account_id, []).append(place)
    groups = list(parts.values())
    if len(groups) == 1:
        groups = [[place] for place in groups[0]]
    outcomes: list[Any] = [errors.AccountLocked()] * len(orders)
    probes = PROBES_MAX
    for places in groups:
        if not probes:
            break
        try:
            found = _attempt([orders[place] for place in places], PROBE_MS)
        except errors.AccountLocked:
            probes -= 1
            continue
        except errors.LedgerUnavailable as error:
            # What was done before stands.
            found = [error] * len(places)
            probes = 0
        for place, outcome in zip(places, found, strict=True):
            outcomes[place] = outcome
    return outcomes
