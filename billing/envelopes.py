"""Runs: credits set aside for the calls of one spender, out of its parent's budgets and
balance, and given back when the run ends.

An envelope is a hold of its own kind. Its spender's calls take their holds out of it,
and so do envelopes inside it; what they do not use returns to it while it is open, else
to what it was taken from.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import Q, QuerySet

from billing.ledger import budget_rows, dialect, envelopes, facts, locking, store
from billing.ledger.book import Book
from billing.ledger.budgets import Call
from billing.ledger.rows import HoldRow
from billing.models import Envelope, Hold, Spender
from billing.models.act import ActKind
from billing.models.hold import HoldState
from billing.runs import Run, described, inside_of
from billing.values import errors
from billing.values.orders import AMOUNT_MICROS_MAX

logger = logging.getLogger(__name__)

LABEL_MAX, PATTERN_MAX = 200, 1000
# Runs in runs: what a closed one is looked up through stays short.
DEPTH_MAX = 8
# How long the expiry of one account's runs waits for a lock, in milliseconds.
EXPIRY_LOCK_MS = 100


def open_envelope(
    envelope_id: UUID,
    parent_spender_id: int,
    credits_micros: int,
    *,
    expires_at: datetime,
    label: str = "",
    model_pattern: str = "",
) -> Run:
    """Set the credits aside and open a spender for them, in the caller's transaction if
    there is one. Once for each `envelope_id`: a repeat finds the first. It expires with
    its parent at the latest, and when that one closes.

    Raises: ValueError for an amount outside 1 … 10^15, a time that is past, a pattern
    or a label that is too long, more than 8 runs in each other; AccountClosed,
    SpenderClosed, EnvelopeClosed, DebtUnpaid; HoldExists for an id of something else;
    TooManyRuns, EnvelopeExhausted, BudgetExceeded, InsufficientCredits, CreditsOnHold;
    AccountLocked.
    """
    _check_amount(credits_micros)
    if len(label) > LABEL_MAX or len(model_pattern) > PATTERN_MAX:
        raise ValueError("a label or a pattern is too long")
    with locking.atomic():
        parent = Spender.objects.filter(id=parent_spender_id).first()
        if parent is None:
            raise errors.SpenderClosed
        book = _locked(parent.account_id)
        store.read_holds(book, [envelope_id.hex])
        if known := book.holds.get(envelope_id.hex):
            if not known.is_envelope or known.spender_id != parent.id:
                raise errors.HoldExists
            return look(envelope_id)
        store.read_spender(book, parent.id)
        envelopes.close_due(book)
        _refuse_one_more(book, parent)
        hold = _wanted(book, parent, envelope_id.hex, credits_micros, expires_at)
        _place(book, parent, hold)
        store.save(book)
        _name(book, parent, hold, label, model_pattern)
        return look(envelope_id)


def _locked(account_id: int) -> Book:
    book = Book()
    store.lock_accounts(book, {account_id})
    store.read_lots(book)
    return book


def _refuse_one_more(book: Book, parent: Spender) -> None:
    """Raises: TooManyRuns; those that have expired are not open."""
    now = book.moment_of(parent.account_id)
    still_open = Hold.objects.filter(
        account_id=parent.account_id, is_envelope=True, state=HoldState.OPEN
    ).filter(spender_id=parent.id, due_at__gt=now)
    most = settings.ENVELOPES_OPEN_MAX
    if still_open.count() >= most:
        raise errors.TooManyRuns(most)


def _wanted(
    book: Book, parent: Spender, hold_id: str, micros: int, expires_at: datetime
) -> HoldRow:
    """Raises: ValueError for a time that is past, or too many runs in each other."""
    account = book.accounts[parent.account_id]
    due_at = dialect.moment(min(expires_at, parent.closes_at or expires_at))
    if due_at <= account.now:
        raise ValueError("a run expires in the future")
    if run := envelopes.run_of(book, parent.id):
        due_at = min(due_at, run.due_at)
        if 1 + sum(1 for _ in envelopes.runs_of(book, run)) >= DEPTH_MAX:
            raise ValueError(f"no more than {DEPTH_MAX} runs in each other")
    return HoldRow(
        id=hold_id,
        account_id=account.id,
        spender_id=parent.id,
        state=HoldState.OPEN.value,
        amount_micros=micros,
        price_factor_ppm=account.price_factor_ppm,
        operation=envelopes.OPERATION,
        model="",
        lease_id=None,
        placed_at=book.time_of(account.id),
        due_at=due_at,
        bound_micros=micros,
        is_envelope=True,
        is_new=True,
    )


def _place(book: Book, parent: Spender, hold: HoldRow) -> None:
    account = book.accounts[parent.account_id]
    if not account.is_open:
        raise errors.AccountClosed
    spender = book.open_spenders.get(parent.id)
    if spender is None or spender.account_id != account.id:
        raise errors.SpenderClosed
    if account.owed_micros:
        raise errors.DebtUnpaid(account.owed_micros)
    run = envelopes.run_of(book, parent.id)
    call = Call(parent.id, envelopes.OPERATION, "", is_envelope=True)
    pairs = envelopes.check_room(book, account, call, hold.amount_micros, run)
    # --- effects ---
    hold.project_id, hold.holder_id = spender.project_id, spender.holder_id
    hold.spender_label = spender.label
    hold.project_label, hold.holder_label = spender.project_label, spender.holder_label
    envelopes.take(book, hold, hold.amount_micros, run, pairs)
    book.holds[hold.id] = hold


def _name(book: Book, parent: Spender, hold: HoldRow, label: str, models: str) -> None:
    """The run's spender, and the row that says what it is for."""
    spender = Spender.objects.create(
        account_id=parent.account_id,
        label=label or f"run of {parent.label}"[:LABEL_MAX],
        project_id=parent.project_id,
        holder_id=parent.holder_id,
        parent=parent,
        envelope_id=UUID(hold.id),
    )
    row = Envelope.objects.create(
        hold_id=UUID(hold.id),
        account_id=parent.account_id,
        spender=spender,
        parent=parent,
        label=label,
        model_pattern=models,
        created_at=book.moment_of(parent.account_id),
    )
    written = Book(accounts={parent.account_id: book.accounts[parent.account_id]})
    text = facts.ENVELOPE.text(facts.row_of(row))
    written.act(ActKind.ENVELOPE, parent.account_id, hold.id, [text])
    store.save(written)


def add_credits(
    envelope_id: UUID, micros: int, *, expected_micros: int | None = None
) -> Run:
    """So much more, in the windows in which the run counts, checked like the first.
    With `expected_micros` only while so much was put in altogether: asked twice, it is
    done once.

    Raises: as `open_envelope`; UnknownHold; WindowEnded where one of those windows is
    over, for what is spent from now on counts now.
    """
    _check_amount(micros)
    with locking.atomic():
        book, run = _known(envelope_id)
        store.read_spender(book, run.spender_id)
        if expected_micros not in {None, run.bound_micros}:
            return look(envelope_id)
        _check_amount(run.bound_micros + micros)
        envelopes.close_due(book)
        _refuse_closed(book, run)
        parent = envelopes.innermost(book, run)
        _check_more(book, run, micros, parent)
        # --- effects ---
        run.bound_micros += micros
        is_taken = envelopes.take_more(book, run, micros)
        assert is_taken, "it was checked"
        store.save(book)
        return look(envelope_id)


def _refuse_closed(book: Book, run: HoldRow) -> None:
    account = book.accounts[run.account_id]
    for each in (run, *envelopes.runs_of(book, run)):
        if not each.is_open or each.due_at <= account.now:
            raise errors.EnvelopeClosed
    if not account.is_open:
        raise errors.AccountClosed
    if run.spender_id not in book.open_spenders:
        raise errors.SpenderClosed
    if account.owed_micros:
        raise errors.DebtUnpaid(account.owed_micros)


def _check_more(book: Book, run: HoldRow, micros: int, parent: HoldRow | None) -> None:
    if parent is not None and parent.amount_micros < micros:
        raise envelopes.exhausted(book, parent, micros)
    budget_rows.read_windows(book.budgets, run.budgets)
    inherited = set(parent.budgets) if parent else set()
    own = [pair for pair in run.budgets if pair not in inherited]
    if ended := book.budgets.ended(own, book.moment_of(run.account_id)):
        raise errors.WindowEnded(
            level=ended.level, label=ended.label, window=ended.window
        )
    if pair := book.budgets.lacking(own, micros):
        raise book.budgets.refusal(pair, micros)
    available = book.available_micros(run.account_id)
    if parent is None and available < micros:
        account = book.accounts[run.account_id]
        raise envelopes.shortfall(book, account, micros, available)


def close(envelope_id: UUID) -> Run:
    """End it, and all inside it; what is left goes back. Calls that run end as they
    would. Of one that has ended, as it is. Raises: UnknownHold."""
    with locking.atomic():
        book, run = _known(envelope_id)
        if run.is_open:
            inside = inside_of(envelope_id)
            store.read_holds(book, [each.hex for each in inside])
            _close_all(book, inside)
            store.save(book)
        return look(envelope_id)


def _known(envelope_id: UUID) -> tuple[Book, HoldRow]:
    """It and its account, locked. Raises: UnknownHold."""
    found = Envelope.objects.filter(hold_id=envelope_id).first()
    if found is None:
        raise errors.UnknownHold
    book = _locked(found.account_id)
    store.read_holds(book, [envelope_id.hex])
    return book, book.holds[envelope_id.hex]


def look(envelope_id: UUID) -> Run:
    """Raises: UnknownHold."""
    found = Envelope.objects.select_related("hold").filter(hold_id=envelope_id).first()
    if found is None:
        raise errors.UnknownHold
    return described(found)


def look_at_all(parent_spender_id: int) -> list[Run]:
    """Those that this spender has opened, the latest first."""
    return [described(found) for found in opened_by(parent_spender_id)]


def opened_by(parent_spender_id: int) -> Iterable[Envelope]:
    """Their rows, for whoever shows a page of them."""
    found = Envelope.objects.select_related("hold").filter(parent_id=parent_spender_id)
    return found.order_by("-created_at", "-hold_id")


def expire_due() -> int:
    """Close what has ended, for the timetable; how many. The next hold of an account
    closes what has expired there, too. Who is locked just now is left for the next
    time."""
    accounts = _ended(dialect.now()).values_list("account_id", flat=True)
    return sum(end_due(account_id) for account_id in sorted(set(accounts)))


def end_due(account_id: int) -> int:
    """The same for one account; 0 while somebody keeps it locked. In the caller's
    transaction if there is one: nothing may be locked after it there."""
    try:
        closed = _expire(account_id)
    except OperationalError as error:
        if not dialect.is_locked(error):
            raise
        logger.warning("account %d is locked: its runs end later", account_id)
        return 0
    if closed:
        logger.info("account %d: %d runs have ended", account_id, closed)
    return closed


def _ended(now: datetime) -> QuerySet[Hold]:
    """Open runs that have expired, or that nobody may spend any more: the key that
    opened them is closed for good, or their own is."""
    is_closed = Q(spender__is_open=False) | Q(run__spender__is_open=False)
    is_over = Q(due_at__lte=now) | Q(spender__closes_at__lte=now)
    found = Hold.objects.filter(is_envelope=True, state=HoldState.OPEN)
    return found.filter(is_closed | is_over).order_by("id")


def _expire(account_id: int) -> int:
    with transaction.atomic():
        dialect.run_all(dialect.transaction_settings(EXPIRY_LOCK_MS))
        book = _locked(account_id)
        now = datetime.fromisoformat(book.accounts[account_id].now).replace(tzinfo=UTC)
        ended = _ended(now).filter(account_id=account_id)
        inside = [inside_of(each) for each in ended.values_list("id", flat=True)]
        store.read_holds(book, sorted({each.hex for line in inside for each in line}))
        closed = envelopes.close_due(book)
        closed += sum(_close_all(book, line) for line in inside)
        store.save(book)
        return closed


def _close_all(book: Book, inside: list[UUID]) -> int:
    """A run and those inside it, the innermost first; how many were open."""
    runs = [book.holds[each.hex] for each in reversed(inside)]
    still_open = [run for run in runs if run.is_open]
    for run in still_open:
        envelopes.close(book, run, "closed")
    return len(still_open)


def _check_amount(micros: int) -> None:
    if type(micros) is not int or not 1 <= micros <= AMOUNT_MICROS_MAX:
        raise ValueError(f"amount out of range: {micros}")
