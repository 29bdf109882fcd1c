"""Debt: what an organization owes, because credits were taken back that it had spent.

While it owes, no new hold is placed (`errors.DebtUnpaid`): new credits pay the debt
first, and so do credits that a running call returns. The operator may write it off
(`billing.amendments`).
"""

from __future__ import annotations

import logging

from billing.ledger import dialect, locking, lots, store
from billing.ledger.book import Book
from billing.ledger.rows import AccountRow
from billing.models import Account
from billing.models.account import AccountKind
from billing.models.act import ActKind
from billing.models.transfer import TransferKind
from billing.values import errors

logger = logging.getLogger(__name__)

# How long one account's payment waits for a lock, in milliseconds, where those of
# others come after it.
LOCK_MS = 100


def pay(account_id: int) -> int:
    """Pay what the account owes out of what is available, in burn order; how much.

    Raises: AccountLocked.
    """
    with locking.atomic():
        book = Book()
        store.lock_accounts(book, {account_id})
        account = book.accounts[account_id]
        if not account.owed_micros:
            return 0
        store.read_lots(book)
        amount = min(account.owed_micros, book.available_micros(account_id))
        if not amount:
            return 0
        debt = locked(book, account_id)
        # --- effects ---
        mark = book.mark()
        burnt = lots.burn(book.lots_of(account_id), amount)
        transfer_id = book.move(
            TransferKind.REPAYMENT,
            account_id,
            debt.id,
            amount,
            reference=f"repayment:{account_id}:{account.version + 1}",
        )
        book.burn(transfer_id, burnt)
        account.owed_micros -= amount
        book.act(ActKind.REPAYMENT, account_id, transfer_id, [], mark)
        store.save(book)
        return amount


def pay_all() -> int:
    """The same for every organization that owes; how many paid. An account that
    somebody keeps locked pays next time."""
    owing = Account.objects.filter(owed_micros__gt=0).order_by("id")
    paid = 0
    for account_id in owing.values_list("id", flat=True):
        try:
            with locking.atomic():
                dialect.run_all(dialect.transaction_settings(LOCK_MS))
                paid += pay(account_id) > 0
        except errors.AccountLocked:
            logger.warning("account %d is locked: it pays its debt later", account_id)
    return paid


def locked(book: Book, account_id: int) -> AccountRow:
    """The debt account of an account that is under lock; opened if there is none."""
    debt = Account.objects.filter(kind=AccountKind.DEBT, tenant_id=account_id).first()
    if debt is None:
        label = Account.objects.values_list("label", flat=True).get(id=account_id)
        debt = Account.objects.create(
            kind=AccountKind.DEBT, label=label, tenant_id=account_id
        )
    store.lock_accounts(book, {debt.id})
    return book.accounts[debt.id]
