"""Runs, on the Book's rows: a hold from which its spender's calls take theirs.

Whatever is taken out of a run moves, amount and pins together, so that nothing is held
twice or free for a moment. What comes back goes to the innermost run that is still
open, else to the account. No database in this file.
"""

from __future__ import annotations

from collections.abc import Iterator

from billing.ledger import lots
from billing.ledger.book import Book
from billing.ledger.budgets import Call
from billing.ledger.facts import HOLD
from billing.ledger.rows import AccountRow, HoldRow, Pair, Parts
from billing.models.act import ActKind
from billing.models.hold import HoldState
from billing.values import errors

OPERATION = "envelope"


def runs_of(book: Book, hold: HoldRow) -> Iterator[HoldRow]:
    """The runs that a hold is part of, the innermost first."""
    while hold.envelope_id is not None:
        hold = book.holds[hold.envelope_id]
        yield hold


def innermost(book: Book, hold: HoldRow) -> HoldRow | None:
    """To which what it does not use goes back."""
    return next((run for run in runs_of(book, hold) if run.is_open), None)


def run_of(book: Book, spender_id: int) -> HoldRow | None:
    """The run whose spender it is. Raises: EnvelopeClosed."""
    run_id = book.runs.get(spender_id)
    if run_id is None:
        return None
    run = book.holds.get(run_id)
    if run is None:
        raise errors.EnvelopeClosed
    now = book.accounts[run.account_id].now
    for each in (run, *runs_of(book, run)):
        if not each.is_open or each.due_at <= now:
            raise errors.EnvelopeClosed
    return run


def check_room(
    book: Book, account: AccountRow, call: Call, amount: int, run: HoldRow | None
) -> list[tuple[int, int]]:
    """Whether so much more can be held; the windows in which it counts beside the
    run's. Raises: EnvelopeExhausted, BudgetExceeded, InsufficientCredits,
    CreditsOnHold."""
    if run is not None and run.amount_micros < amount:
        raise exhausted(book, run, amount)
    moment = book.moment_of(account.id)
    pairs = book.budgets.room_for(call, amount, moment, run)
    if run is None:
        available = book.available_micros(account.id)
        if available < amount:
            raise shortfall(book, account, amount, available)
    return pairs


def exhausted(book: Book, run: HoldRow, required: int) -> errors.EnvelopeExhausted:
    parent = innermost(book, run)
    left = parent.amount_micros if parent else book.available_micros(run.account_id)
    return errors.EnvelopeExhausted(
        envelope_id=run.id,
        required_micros=required,
        left_micros=run.amount_micros,
        parent_left_micros=left,
    )


def shortfall(
    book: Book, account: AccountRow, required: int, available: int
) -> errors.InsufficientCredits:
    returning = lots.returning_micros(book.lots_of(account.id))
    is_enough_soon = available + returning >= required
    if is_enough_soon:
        of_runs = book.budgets.held_by_runs(account.id, None)
        is_enough_soon = available + returning - of_runs >= required
    kind = errors.CreditsOnHold if is_enough_soon else errors.InsufficientCredits
    return kind(
        required_micros=required,
        available_micros=available,
        held_micros=account.held_micros,
    )


def held_by_runs(book: Book, pair: Pair | None) -> int:
    """Of the holds of this Book: what runs that go on keep, with all inside them, or
    what of it counts in a window. A call's part returns to its run, but where the
    window counts the run's calls one by one."""
    held = 0
    for hold in book.holds.values():
        line = [hold, *runs_of(book, hold)]
        going_on = (r for r in line if r.is_envelope and r.is_open and not r.is_overdue)
        run = None if hold.is_resolved else next(going_on, None)
        if run is not None and (pair is None or pair in run.budgets):
            held += hold.amount_micros
    return held


# --- effects: nothing below may fail -------------------------------------------------


def take(
    book: Book,
    hold: HoldRow,
    amount: int,
    run: HoldRow | None,
    pairs: list[tuple[int, int]],
) -> None:
    """Hold so much for a new hold, out of its run, else of what is available; `pairs`
    as `check_room` found them."""
    if run is not None:
        hold.envelope_id = run.id
        hold.budgets = [*run.budgets, *pairs]
    else:
        hold.budgets = pairs
    book.budgets.open(pairs)
    book.budgets.change(pairs, held=amount)
    _pin(book, hold, amount, run)


def take_more(book: Book, hold: HoldRow, more: int) -> bool:
    """Raise a hold, if its run, its budgets and the balance have room for it."""
    run = innermost(book, hold)
    inherited = set(run.budgets) if run else set()
    own = [pair for pair in hold.budgets if pair not in inherited]
    room = run.amount_micros if run else book.available_micros(hold.account_id)
    if more > room or book.budgets.lacking(own, more):
        return False
    book.budgets.change(own, held=more)
    hold.amount_micros += more
    hold.changed = True
    _pin(book, hold, more, run)
    return True


def _pin(book: Book, hold: HoldRow, amount: int, run: HoldRow | None) -> None:
    known = book.lots_of(hold.account_id)
    if run is None:
        lots.pin(known, hold, amount)
        book.hold_more(hold.account_id, amount)
        return
    lots.move(known, run, hold, amount)
    run.amount_micros -= amount
    run.changed = True


def give_back(book: Book, hold: HoldRow, captured: int) -> Parts:
    """End what is held, but keep `captured` of it, taken from which grants."""
    known, run = book.lots_of(hold.account_id), innermost(book, hold)
    burnt = lots.unpin(known, hold, captured)
    gone = hold.amount_micros
    if run is not None:
        lots.pin_again(known, hold, burnt, run)
        run.amount_micros += hold.amount_micros - captured
        run.changed = True
        gone = captured
    book.hold_more(hold.account_id, -gone)
    return burnt


def burn(book: Book, hold: HoldRow, amount: int) -> Parts:
    """What a charge takes beyond its hold: from the runs that it is part of, the
    innermost first, then from what is available; of which grants. It may be less."""
    known, burnt = book.lots_of(hold.account_id), Parts()
    for run in runs_of(book, hold):
        part = min(amount, run.amount_micros) if run.is_open else 0
        if part:
            burnt += lots.capture(known, run, part)
            run.amount_micros -= part
            run.changed = True
            book.hold_more(hold.account_id, -part)
            book.budgets.change(run.budgets, held=-part)
            amount -= part
    return burnt + lots.burn(known, amount)


def close(book: Book, run: HoldRow, reason: str) -> None:
    """What is left goes back. Those inside it first, if they are to be closed too."""
    give_back(book, run, 0)
    book.budgets.end(run, innermost(book, run), 0, 0)
    run.state, run.reason = HoldState.RELEASED.value, reason
    run.changed_at, run.changed = book.time_of(run.account_id), True
    book.act(ActKind.RELEASE, run.account_id, run.id, [HOLD.text_of(run)])


def close_due(book: Book) -> int:
    """Close the runs of this Book that have expired, the innermost first."""
    due = [
        hold
        for hold in book.holds.values()
        if hold.is_envelope
        and hold.is_open
        and hold.account_id in book.accounts
        and hold.due_at <= book.accounts[hold.account_id].now
    ]
    due.sort(key=lambda run: -sum(1 for _ in runs_of(book, run)))
    for run in due:
        close(book, run, "expired")
    return len(due)
