"""The rules of credits: one function an order, on the rows of a Book.

There is no database in this file, so every rule can be read, and tested, as plain
Python. In each function all refusals come first; below the line `effects` nothing may
fail.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from billing.ledger import attempts, envelopes, words
from billing.ledger.book import Book
from billing.ledger.bounds import base_of
from billing.ledger.budgets import Call
from billing.ledger.dialect import moment
from billing.ledger.facts import HOLD
from billing.ledger.rows import AccountRow, HoldRow, SpenderRow
from billing.models.act import ActKind
from billing.models.caller import CLIENT_MAX, SESSION_MAX, VERSION_MAX
from billing.models.hold import HoldState
from billing.models.usage import Basis
from billing.values import errors
from billing.values.amounts import price_of
from billing.values.orders import (
    AMOUNT_MICROS_MAX,
    Doubt,
    Entrust,
    Entrusted,
    Order,
    Place,
    Placed,
    R,
    Release,
    Resolved,
    Settle,
)


def apply(book: Book, order: Order[R]) -> R | errors.LedgerError:
    """Carry out one order; a refusal comes back as a value, not raised.

    Raises: ValueError for an order that makes no sense.
    """
    rule: Callable[[Book, Order[R]], R] = RULES[type(order)]
    try:
        return rule(book, order)
    except errors.Refusal as refusal:
        return refusal


# --- place -------------------------------------------------------------------------


def place(book: Book, order: Place) -> Placed:
    """Raises: HoldExists, AttemptExists, Overtaken, AccountClosed, SpenderClosed,
    DebtUnpaid, EnvelopeClosed, TooManyCalls, OrganizationPaused, ModelPaused,
    EnvelopeExhausted, BudgetExceeded, InsufficientCredits, CreditsOnHold."""
    _check_amount("bound", order.bound_micros)
    _check_amount("cautious bound", order.cautious_micros)
    due_at = _moment_of(order.due_at)
    _check_caller(order)
    if known := book.holds.get(order.hold_id):
        return _placed_before(book, order, known)
    account, spender = _admitted(book, order)
    bound = book.bounds.bound_micros(order)
    amount = price_of(bound, account.price_factor_ppm)
    run = envelopes.run_of(book, order.spender_id)
    call = Call(order.spender_id, order.operation, order.model)
    pairs = envelopes.check_room(book, account, call, amount, run)
    # --- effects ---
    hold = HoldRow(
        id=order.hold_id,
        account_id=account.id,
        spender_id=order.spender_id,
        state=HoldState.OPEN.value,
        amount_micros=amount,
        price_factor_ppm=account.price_factor_ppm,
        operation=order.operation,
        model=order.model,
        lease_id=order.lease_id,
        placed_at=book.time_of(account.id),
        due_at=due_at,
        bound_micros=base_of(order),
        shape=order.shape,
        is_untried=book.bounds.is_untried(order, bound),
        project_id=spender.project_id,
        holder_id=spender.holder_id,
        spender_label=spender.label,
        project_label=spender.project_label,
        holder_label=spender.holder_label,
        client=order.client,
        client_version=order.client_version,
        session=order.session,
        is_new=True,
    )
    envelopes.take(book, hold, amount, run, pairs)
    book.running.change(hold, 1)
    book.holds[hold.id] = hold
    if order.attempt:
        book.attempts.append(attempts.new(order, order.attempt, hold.placed_at))
    available = book.available_micros(account.id)
    return Placed(hold.id, amount, available, account.price_factor_ppm)


def _admitted(book: Book, order: Place) -> tuple[AccountRow, SpenderRow]:
    """Who wants to spend, if nothing but the amount may stand against it."""
    account = book.accounts.get(order.account_id)
    if account is None:
        raise errors.AccountClosed
    if order.attempt:
        now = book.moment_of(account.id)
        attempts.refuse_repeat(book.attempts, order.attempt, now)
    if not account.is_open:
        raise errors.AccountClosed
    spender = book.open_spenders.get(order.spender_id)
    if spender is None or spender.account_id != account.id:
        raise errors.SpenderClosed
    if account.owed_micros:
        raise errors.DebtUnpaid(account.owed_micros)
    book.running.check(order.at_once)
    return account, spender


def _placed_before(book: Book, order: Place, known: HoldRow) -> Placed:
    if (order.account_id, order.spender_id) != (known.account_id, known.spender_id):
        raise errors.HoldExists
    if (order.operation, order.model) != (known.operation, known.model):
        raise errors.HoldExists
    return Placed(
        known.id,
        known.amount_micros,
        book.available_micros(known.account_id),
        known.price_factor_ppm,
        repeat=True,
    )


# --- entrust -----------------------------------------------------------------------


def entrust(book: Book, order: Entrust) -> Entrusted:
    """Take a hold from its process, and raise it if that can be done. The job lives:
    that ends a doubt. Raises: UnknownHold."""
    _check_amount("bound", order.bound_micros)
    due_at = _moment_of(order.due_at)
    hold = _known(book, order)
    if hold.is_resolved:
        if hold.state == HoldState.RELEASED:
            words.hear_alive(book, hold)
        available = book.available_micros(hold.account_id)
        return Entrusted(hold.id, hold.amount_micros, available, repeat=True)
    more = price_of(order.bound_micros, hold.price_factor_ppm) - hold.amount_micros
    if order.bound_micros <= hold.bound_micros:
        more = 0  # nothing new: `place` knew how much to hold for that
    # --- effects ---
    if not hold.is_open:
        book.running.change(hold, 1)
    hold.lease_id, hold.changed = None, True
    hold.state, hold.reason, hold.changed_at = HoldState.OPEN.value, "", None
    hold.due_at = max(hold.due_at, due_at)
    hold.is_overdue = hold.due_at < book.accounts[hold.account_id].now
    if more > 0:
        book.bounds.heed_estimate(hold, order.bound_micros)
        envelopes.take_more(book, hold, more)
    available = book.available_micros(hold.account_id)
    return Entrusted(hold.id, hold.amount_micros, available)


# --- resolve -----------------------------------------------------------------------


def settle(book: Book, order: Settle) -> Resolved:
    """Charge what was used: from the hold, then from its run, then from what is
    available, and what is still missing is borne by the operator (`absorbed`), never by
    a negative balance. What goes beyond the hold may pass a budget's limit.
    For a hold that has ended, another price is kept for the operator to post.
    Raises: UnknownHold."""
    hold = _known(book, order)
    _check_amount("cost", order.usage.cost_micros)
    price = price_of(order.usage.cost_micros, hold.price_factor_ppm)
    if hold.is_resolved:
        words.hear_price(book, hold, price, order.usage, order.reason)
        return _outcome(book, hold, repeat=True)
    # --- effects ---
    mark = book.mark()
    captured = min(price, hold.amount_micros)
    held_back, excess = envelopes.give_back(book, hold, captured), price - captured
    beyond = envelopes.burn(book, hold, excess)
    overage = sum(micros for _, micros in beyond)
    charged, absorbed = captured + overage, excess - overage
    book.charge(hold, charged, absorbed, (held_back, beyond))
    book.budgets.end(hold, envelopes.innermost(book, hold), captured, charged)
    flags = order.usage.flags + (("hold_overrun",) if excess else ())
    if excess and book.budgets.is_over(hold):
        flags += ("budget_overrun",)
    book.record(hold, order.usage, flags, charged, absorbed)
    book.bounds.heed_price(hold, order.usage.cost_micros, absorbed)
    _change(book, hold, HoldState.SETTLED, order.reason)
    book.act(ActKind.SETTLEMENT, hold.account_id, hold.id, [HOLD.text_of(hold)], mark)
    return _outcome(book, hold, charged, absorbed)


def release(book: Book, order: Release) -> Resolved:
    """Return the whole hold. Raises: UnknownHold."""
    hold = _known(book, order)
    if hold.is_resolved:
        if order.usage is None:  # who gives one does not know
            words.hear_no_charge(book, hold, order.reason)
        return _outcome(book, hold, repeat=True)
    usage = order.usage
    if usage and (usage.cost_micros or usage.basis != Basis.IN_DOUBT):
        raise ValueError("a release carries no charge: settle instead")
    # --- effects ---
    mark = book.mark()
    envelopes.give_back(book, hold, 0)
    book.budgets.end(hold, envelopes.innermost(book, hold), 0, 0)
    _change(book, hold, HoldState.RELEASED, order.reason)
    if usage:
        book.record(hold, usage, usage.flags)
    book.act(ActKind.RELEASE, hold.account_id, hold.id, [HOLD.text_of(hold)], mark)
    return _outcome(book, hold)


def doubt(book: Book, order: Doubt) -> Resolved:
    """Mark an open hold; its credits stay held. Raises: UnknownHold."""
    hold = _known(book, order)
    if hold.state != HoldState.OPEN or _is_spared(hold, order):
        return _outcome(book, hold, repeat=True)
    # --- effects ---
    _change(book, hold, HoldState.IN_DOUBT, order.reason)
    return _outcome(book, hold)


def _is_spared(hold: HoldRow, order: Doubt) -> bool:
    """Whether the hold was due when the sweep looked, but is not any more."""
    is_abandoned = hold.lease_id is not None and hold.lease_id == order.dead_lease_id
    return order.only_if_due and not (hold.is_overdue or is_abandoned)


def _known(book: Book, order: Order[object]) -> HoldRow:
    hold = book.holds.get(order.hold_id)
    if hold is None or hold.account_id != order.account_id or hold.is_envelope:
        raise errors.UnknownHold
    return hold


def _check_amount(name: str, micros: int) -> None:
    if type(micros) is not int or not 0 <= micros <= AMOUNT_MICROS_MAX:
        raise ValueError(f"{name} out of range: {micros}")


def _check_caller(order: Place) -> None:
    # A text too long would fail on PostgreSQL only, and with it all of its batch.
    named = (order.client, CLIENT_MAX), (order.client_version, VERSION_MAX)
    if any(len(text) > most for text, most in (*named, (order.session, SESSION_MAX))):
        raise ValueError("a client or a session has too long a name")


def _moment_of(due_at: datetime) -> str:
    if not isinstance(due_at, datetime):
        raise ValueError(f"no time: {due_at!r}")
    return moment(due_at)


def _change(book: Book, hold: HoldRow, state: HoldState, reason: str) -> None:
    if hold.is_open:
        book.running.change(hold, -1)
    hold.state, hold.reason, hold.changed = state.value, reason, True
    hold.changed_at = book.time_of(hold.account_id)


def _outcome(
    book: Book,
    hold: HoldRow,
    charged: int = 0,
    absorbed: int = 0,
    *,
    repeat: bool = False,
) -> Resolved:
    return Resolved(
        hold_id=hold.id,
        state=hold.state,
        held_micros=hold.amount_micros,
        charged_micros=charged,
        absorbed_micros=absorbed,
        available_micros=book.available_micros(hold.account_id),
        repeat=repeat,
    )


RULES: dict[type[Any], Callable[[Book, Any], Any]] = {
    Place: place,
    Entrust: entrust,
    Settle: settle,
    Release: release,
    Doubt: doubt,
}
