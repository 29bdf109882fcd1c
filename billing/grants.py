"""Grants: credits issued to an account, and lapsed when their time is up."""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime
from uuid import UUID

from django.db import OperationalError, transaction

from billing import debts
from billing.ledger import dialect, locking, store
from billing.ledger.book import Book
from billing.ledger.facts import GRANT, row_of
from billing.models import Account, Grant, Transfer
from billing.models.account import AccountKind
from billing.models.act import ActKind
from billing.models.grant import GrantSource
from billing.models.transfer import TransferKind
from billing.values import errors
from billing.values.orders import AMOUNT_MICROS_MAX

logger = logging.getLogger(__name__)

# How long the expiry of one account's grants waits for a lock, in milliseconds: it is
# in no hurry, and those of the other accounts come after it.
EXPIRY_LOCK_MS = 100


def issue(
    account_id: int,
    amount_micros: int,
    *,
    source: str,
    reference: str,
    reason: str = "",
    priority: int = 50,
    expires_at: datetime | None = None,
) -> Grant:
    """Give credits, once for each `reference`: a repeat returns the first grant.

    Raises: ValueError for an amount outside 1 … 10^15 micros, an unknown source, or
    an expiry in the past; ReferenceConflict when the reference stands for another
    grant; Account.DoesNotExist; AccountLocked where somebody keeps the account locked
    for longer than we wait: nothing was written.
    """
    _check(amount_micros, priority, source)
    fingerprint = _fingerprint(account_id, amount_micros, source, priority, expires_at)
    with locking.atomic():
        book = Book()
        store.lock_accounts(book, {account_id})
        if account_id not in book.accounts:
            raise Account.DoesNotExist(account_id)
        issuance = store.lock_system_account(book, AccountKind.ISSUANCE)
        if earlier := Transfer.objects.filter(reference=f"grant:{reference}").first():
            if earlier.fingerprint != fingerprint:
                raise errors.ReferenceConflict(reference)
            return Grant.objects.get(transfer=earlier)
        now = book.moment_of(account_id)
        if expires_at is not None and expires_at <= now:
            raise ValueError("a grant expires in the future")
        # --- effects ---
        mark = book.mark()
        transfer_id = book.move(
            TransferKind.GRANT,
            issuance.id,
            account_id,
            amount_micros,
            reference=f"grant:{reference}",
            fingerprint=fingerprint,
        )
        grant = Grant(
            account_id=account_id,
            source=source,
            reason=reason,
            priority=priority,
            amount_micros=amount_micros,
            expires_at=expires_at,
        )
        text = create(book, grant, transfer_id)
        book.act(ActKind.GRANT, account_id, transfer_id, [text], mark)
        store.save(book)
        if book.accounts[account_id].owed_micros and debts.pay(account_id):
            grant.refresh_from_db()
        return grant


def is_issued(reference: str) -> bool:
    """Whether credits were given under this reference."""
    return Transfer.objects.filter(reference=f"grant:{reference}").exists()


def create(book: Book, grant: Grant, transfer_id: str) -> str:
    """Write the grant of that transfer, none of it spent; its text, for the act that
    gives it."""
    grant.transfer_id = UUID(transfer_id)
    grant.remaining_micros = grant.amount_micros
    grant.created_at = book.moment_of(grant.account_id)
    grant.save(force_insert=True)
    return GRANT.text(row_of(grant))


def _check(amount_micros: int, priority: int, source: str) -> None:
    if type(amount_micros) is not int or not 0 < amount_micros <= AMOUNT_MICROS_MAX:
        raise ValueError(f"amount out of range: {amount_micros}")
    if type(priority) is not int:  # SQLite would keep 1.5 and burn by it
        raise ValueError(f"no priority: {priority}")
    if source not in GrantSource.values:
        raise ValueError(f"unknown source: {source}")


def _fingerprint(*particulars: object) -> str:
    text = "|".join(str(particular) for particular in particulars)
    return hashlib.sha256(text.encode()).hexdigest()


def expire_due() -> int:
    """Book out what is left of expired grants; how many grants lapsed. An account that
    somebody keeps locked is left for next time.

    No new hold can use a grant from the instant it expires, with or without this:
    only the balance still counts it. What an open hold keeps stays until it ends.
    """
    due = Grant.objects.filter(
        expires_at__lte=dialect.now(), remaining_micros__gt=0
    ).values_list("account_id", flat=True)
    lapsed = 0
    for account_id in sorted(set(due)):
        try:
            lapsed += _expire_account(account_id)
        except OperationalError as error:
            if not dialect.is_locked(error):
                raise
            logger.warning("account %d is locked: its grants lapse later", account_id)
    return lapsed


def _expire_account(account_id: int) -> int:
    with transaction.atomic():
        book = Book()
        dialect.run_all(dialect.transaction_settings(EXPIRY_LOCK_MS))
        store.lock_accounts(book, {account_id})
        expiry = store.lock_system_account(book, AccountKind.EXPIRY)
        store.read_lots(book)
        lapsed = [
            lot
            for lot in book.lots_of(account_id)
            if not lot.usable and lot.free_micros
        ]
        for lot in lapsed:
            mark, amount = book.mark(), lot.free_micros
            lot.remaining_micros -= amount
            lot.changed = True
            # What a hold or a refund gives back later lapses by a transfer of its own,
            # so the reference names the account's entry too.
            version = book.accounts[account_id].version + 1
            transfer_id = book.move(
                TransferKind.EXPIRE,
                account_id,
                expiry.id,
                amount,
                reference=f"expire:{lot.id}:{version}",
            )
            book.burn(transfer_id, [(lot.id, amount)])
            book.act(ActKind.EXPIRY, account_id, transfer_id, [], mark)
        store.save(book)
    return len(lapsed)
