"""Checkpoints: how far each account's chain was found right.

A whole verification that finds nothing wrong leaves the last act of every account. One
since then reads only later acts and what they wrote (`acts`). Every verification looks
whether the chains still go through their checkpoints: a history that was made anew from
its first row does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Min

from billing.ledger import dialect
from billing.models import Account, Checkpoint

Head = tuple[int, int, UUID | None]  # an account, its last act's number and chain

ROWS_AT_ONCE = 2000

PASSES = {
    "CHECKPOINT_MISMATCH": """
        SELECT c.account_id AS account, c.number AS act
        FROM billing_checkpoint c LEFT JOIN billing_act a
             ON a.account_id = c.account_id AND a.number = c.number
        WHERE a.chain IS NULL OR a.chain <> c.chain""",
}


def heads() -> list[Head]:
    """The last act of every account that has any, in the caller's snapshot."""
    accounts = Account.objects.filter(acts__gt=0).order_by("id")
    return list(accounts.values_list("id", "acts", "chain"))


def write(found: Sequence[Head]) -> None:
    """Keep what a whole verification has found right; never an earlier act than one
    that is kept already, for the sake of two verifications at once."""
    now = dialect.now()
    for start in range(0, len(found), ROWS_AT_ONCE):
        part = found[start : start + ROWS_AT_ONCE]
        with transaction.atomic():
            ids = [account_id for account_id, *_ in part]
            # Locked, so that of two writers one comes after the other.
            list(Account.objects.select_for_update().filter(id__in=ids).order_by("id"))
            kept = Checkpoint.objects.filter(account_id__in=ids)
            numbers = dict(kept.values_list("account_id", "number"))
            Checkpoint.objects.bulk_create(
                [
                    Checkpoint(
                        account_id=account_id, number=number, chain=chain, made_at=now
                    )
                    for account_id, number, chain in part
                    if chain is not None and number >= numbers.get(account_id, 0)
                ],
                update_conflicts=True,
                unique_fields=["account_id"],
                update_fields=["number", "chain", "made_at"],
            )


def oldest() -> datetime | None:
    """When the last whole verification found nothing wrong; None: never."""
    found: datetime | None = Checkpoint.objects.aggregate(at=Min("made_at"))["at"]
    return found
