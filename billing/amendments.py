"""Amendments: what the operator changes of an organization's credits, outside any call.

- `credit` gives some, as a grant; `debit` takes some, as far as they are available.
- `clawback` takes some back: what is not available becomes debt (`billing.debts`).
- `reverse` takes a grant back: what is left of it, and by choice what was spent.
- `write_off` ends debt that nobody will pay; the operator bears it.

Each has a reason, an actor and a reference: given again it changes nothing, and tells
what it did. Transfers are added, and nothing that was posted is edited.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Sum

from billing import debts, grants
from billing.ledger import facts, locking, lots, store
from billing.ledger.book import Book
from billing.ledger.rows import AccountRow
from billing.models import Account, Amendment, Burn, Grant
from billing.models.account import AccountKind
from billing.models.act import ActKind
from billing.models.amendment import AmendmentKind
from billing.models.grant import GrantSource
from billing.models.transfer import TransferKind
from billing.values import errors
from billing.values.checks import check
from billing.values.ids import new_id
from billing.values.orders import AMOUNT_MICROS_MAX

REFERENCE_MAX, REASON_MAX, ACTOR_MAX = 200, 500, 200


@dataclass(frozen=True, slots=True)
class Why:
    """Once for each `reference`; `reason` and `actor` are kept with it."""

    reference: str
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class Amended:
    """What an amendment added to the organization's credits and to its debt, and how
    both are now. A repeat tells what it did the first time."""

    amendment_id: UUID
    account_id: int
    moved_micros: int
    owed_micros: int
    available_micros: int
    debt_micros: int
    repeat: bool = False


class NotAmendable(errors.Refusal):
    """There is not so much to take, or to write off. Nothing was written."""


class UnknownGrant(errors.Refusal):
    """There is no such grant."""


@dataclass(slots=True)
class _Draft:
    """An amendment under way, with its account under lock. Its effects are added to
    `moved_micros` and `owed_micros`."""

    book: Book
    account_id: int
    id: str
    reason: str
    moved_micros: int = 0
    owed_micros: int = 0

    def move(self, kind: TransferKind, source: int, target: int, micros: int) -> str:
        return self.book.move(kind, source, target, micros, correction_id=self.id)


# Carries an amendment out, and returns the texts of what it wrote beside the book.
Effect = Callable[[_Draft], list[str]]


# --- operations -----------------------------------------------------------------------

# All raise: ValueError for an amount outside 1 … 10^15 micros, or words that are too
# long; Account.DoesNotExist; ReferenceConflict when the reference stands for something
# else; AccountLocked. Nothing was written then.


def credit(
    account_id: int, micros: int, why: Why, *, expires_at: datetime | None = None
) -> Amended:
    """Give credits, which pay debt first. Raises: ValueError for an expiry in the
    past, too."""
    _check_amount(micros)

    def effect(draft: _Draft) -> list[str]:
        book = draft.book
        if expires_at is not None and expires_at <= book.moment_of(account_id):
            raise ValueError("a grant expires in the future")
        giver = _operators(book, AccountKind.ADJUSTMENT)
        transfer_id = draft.move(TransferKind.CREDIT, giver.id, account_id, micros)
        draft.moved_micros += micros
        grant = Grant(
            account_id=account_id,
            source=GrantSource.ADJUSTMENT,
            reason=draft.reason[:200],
            amount_micros=micros,
            expires_at=expires_at,
        )
        return [grants.create(book, grant, transfer_id)]

    return _amend(AmendmentKind.CREDIT, account_id, why, effect, micros=micros)


def debit(account_id: int, micros: int, why: Why) -> Amended:
    """Take credits in burn order. Raises: NotAmendable when fewer are available."""
    _check_amount(micros)

    def effect(draft: _Draft) -> list[str]:
        available = draft.book.available_micros(account_id)
        if available < micros:
            raise NotAmendable(f"only {available} microcredits are available")
        taker = _operators(draft.book, AccountKind.ADJUSTMENT)
        _take(draft, TransferKind.DEBIT, taker.id, micros)
        return []

    return _amend(AmendmentKind.DEBIT, account_id, why, effect, micros=micros)


def clawback(account_id: int, micros: int, why: Why) -> Amended:
    """Take credits back: first what is available, and the rest is owed."""
    _check_amount(micros)

    def effect(draft: _Draft) -> list[str]:
        _claw_back(draft, micros)
        return []

    return _amend(AmendmentKind.CLAWBACK, account_id, why, effect, micros=micros)


def write_off(account_id: int, micros: int, why: Why) -> Amended:
    """End so much debt. Raises: NotAmendable when less is owed."""
    _check_amount(micros)

    def effect(draft: _Draft) -> list[str]:
        account = draft.book.accounts[account_id]
        if account.owed_micros < micros:
            raise NotAmendable(f"only {account.owed_micros} microcredits are owed")
        debt = debts.locked(draft.book, account_id)
        bearer = _operators(draft.book, AccountKind.ADJUSTMENT)
        draft.move(TransferKind.WRITE_OFF, bearer.id, debt.id, micros)
        draft.owed_micros -= micros
        return []

    return _amend(AmendmentKind.WRITE_OFF, account_id, why, effect, micros=micros)


def reverse(grant_id: int, why: Why, *, recovers_spent: bool) -> Amended:
    """Take a grant back: what is left of it, except what running calls hold. With
    `recovers_spent` the rest, too, as by a clawback: it counts what is held as spent.
    What has lapsed, or was taken back before, is not taken again.

    Raises: UnknownGrant; NotAmendable when there is nothing to take.
    """
    grant = Grant.objects.filter(id=grant_id).first()
    if grant is None:
        raise UnknownGrant(f"there is no grant {grant_id}")

    def effect(draft: _Draft) -> list[str]:
        left = _left_to_take(grant)
        own = _take_lot(draft, grant, left)
        rest = left - own if recovers_spent else 0
        if not own and not rest:
            raise NotAmendable("nothing is left of this grant to take back")
        if rest:
            _claw_back(draft, rest)
        return []

    kind = AmendmentKind.CHARGEBACK if recovers_spent else AmendmentKind.REVERSAL
    return _amend(kind, grant.account_id, why, effect, grant_id=grant_id)


# --- effects, under the account's lock ------------------------------------------------


def _take(draft: _Draft, kind: TransferKind, taker_id: int, micros: int) -> int:
    """Up to so many of the available credits, in burn order; how many."""
    burnt = lots.burn(draft.book.lots_of(draft.account_id), micros)
    taken = sum(part for _, part in burnt)
    if taken:
        transfer_id = draft.move(kind, draft.account_id, taker_id, taken)
        draft.book.burn(transfer_id, burnt)
        draft.moved_micros -= taken
    return taken


def _claw_back(draft: _Draft, micros: int) -> None:
    book = draft.book
    issuance = _operators(book, AccountKind.ISSUANCE)
    owed = micros - _take(draft, TransferKind.CLAWBACK, issuance.id, micros)
    if owed:
        debt = debts.locked(book, draft.account_id)
        draft.move(TransferKind.DEBT, debt.id, issuance.id, owed)
        draft.owed_micros += owed


def _operators(book: Book, kind: AccountKind) -> AccountRow:
    """His account of that kind, locked once: to read it again would forget changes."""
    known = [row for row in book.accounts.values() if row.kind == kind]
    return known[0] if known else store.lock_system_account(book, kind)


def _left_to_take(grant: Grant) -> int:
    """Its amount without what has lapsed, and what earlier amendments took back."""
    burns = Burn.objects.filter(grant=grant, transfer__kind=TransferKind.EXPIRE)
    lapsed = burns.aggregate(sum=Sum("amount_micros", default=0))["sum"]
    earlier = Amendment.objects.filter(grant=grant)
    taken = earlier.aggregate(sum=Sum("amount_micros", default=0))["sum"]
    return int(max(0, grant.amount_micros - lapsed - taken))


def _take_lot(draft: _Draft, grant: Grant, most: int) -> int:
    """What is free of this grant, expired or not; how much was taken."""
    found = [x for x in draft.book.lots_of(draft.account_id) if x.id == grant.id]
    amount = min(most, found[0].free_micros) if found else 0
    if amount:
        found[0].remaining_micros -= amount
        found[0].changed = True
        issuance = _operators(draft.book, AccountKind.ISSUANCE)
        transfer_id = draft.move(
            TransferKind.REVERSAL, draft.account_id, issuance.id, amount
        )
        draft.book.burn(transfer_id, [(grant.id, amount)])
        draft.moved_micros -= amount
    return amount


# --- what all have in common ----------------------------------------------------------


def _amend(
    kind: AmendmentKind,
    account_id: int,
    why: Why,
    effect: Effect,
    *,
    micros: int | None = None,
    grant_id: int | None = None,
) -> Amended:
    """`micros`: the amount that a repeat has to name again."""
    _check_words(why)
    try:
        with locking.atomic():
            book = Book()
            store.lock_accounts(book, {account_id})
            account = book.accounts.get(account_id)
            if account is None or account.kind != AccountKind.ORGANIZATION:
                raise Account.DoesNotExist(account_id)
            if earlier := Amendment.objects.filter(reference=why.reference).first():
                named = (kind.value, account_id, grant_id)
                same = named == (earlier.kind, earlier.account_id, earlier.grant_id)
                if not same or micros not in (None, earlier.amount_micros):
                    raise errors.ReferenceConflict(why.reference)
                return _told(earlier, repeat=True)
            store.read_lots(book)
            draft = _Draft(book, account_id, new_id(), why.reason)
            return _told(_posted(kind, draft, why, effect, grant_id))
    except IntegrityError as error:
        # Another account's amendment, at the same moment.
        if not Amendment.objects.filter(reference=why.reference).exists():
            raise
        raise errors.ReferenceConflict(why.reference) from error


def _posted(
    kind: AmendmentKind,
    draft: _Draft,
    why: Why,
    effect: Effect,
    grant_id: int | None,
) -> Amendment:
    book, account_id = draft.book, draft.account_id
    account, mark = book.accounts[account_id], book.mark()
    texts = effect(draft)
    account.owed_micros += draft.owed_micros
    account.changed = True
    made = Amendment.objects.create(
        id=UUID(draft.id),
        account_id=account_id,
        kind=kind.value,
        reference=why.reference,
        reason=why.reason,
        actor=why.actor,
        grant_id=grant_id,
        amount_micros=abs(draft.moved_micros) + abs(draft.owed_micros),
        moved_micros=draft.moved_micros,
        owed_micros=draft.owed_micros,
        noted_at=book.moment_of(account_id),
    )
    texts.append(facts.AMENDMENT.text(facts.row_of(made)))
    book.act(ActKind.AMENDMENT, account_id, draft.id, texts, mark)
    store.save(book)
    if kind == AmendmentKind.CREDIT:
        debts.pay(account_id)
    return made


def _told(made: Amendment, *, repeat: bool = False) -> Amended:
    book = Book()
    store.lock_accounts(book, {made.account_id})
    store.read_lots(book)
    return Amended(
        made.id,
        made.account_id,
        made.moved_micros,
        made.owed_micros,
        book.available_micros(made.account_id),
        book.accounts[made.account_id].owed_micros,
        repeat=repeat,
    )


def _check_amount(micros: int) -> None:
    if type(micros) is not int or not 0 < micros <= AMOUNT_MICROS_MAX:
        raise ValueError(f"amount out of range: {micros}")


def _check_words(why: Why) -> None:
    check(why)
    longest = (REFERENCE_MAX, REASON_MAX, ACTOR_MAX)
    words = (why.reference, why.reason, why.actor)
    if any(
        not word.strip() or len(word) > most
        for word, most in zip(words, longest, strict=True)
    ):
        raise ValueError(
            "a reference, a reason and an actor are given, and not too long"
        )
