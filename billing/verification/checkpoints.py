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
COLUMNS = ("account_id", "number", "chain", "made_at")
WRITE = (
    f"{dialect.rows(Checkpoint, COLUMNS)} "
    f"INSERT INTO billing_checkpoint ({', '.join(COLUMNS)}) "
    "SELECT r.account_id, r.number, r.chain, r.made_at FROM r WHERE true "
    "ON CONFLICT (account_id) DO UPDATE SET number = excluded.number, "
    "chain = excluded.chain, made_at = excluded.made_at "
    "WHERE excluded.number >= billing_checkpoint.number"
)

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
    that is kept already, for the sake of two verifications at once.

    No call waits for it: no account is locked. Only the first checkpoint of an account
    waits for who has that locked, because it refers to it: each by itself.
    """
    now = dialect.moment(dialect.now())
    known = set(Checkpoint.objects.values_list("account_id", flat=True))
    later = [head for head in found if head[0] in known]
    parts = [later[at : at + ROWS_AT_ONCE] for at in range(0, len(later), ROWS_AT_ONCE)]
    for part in (*parts, *([head] for head in found if head[0] not in known)):
        rows = [
            dict(zip(COLUMNS, (account_id, number, chain.hex, now), strict=True))
            for account_id, number, chain in part
            if chain is not None
        ]
        with transaction.atomic():
            dialect.run(WRITE, dialect.json(rows))


def oldest() -> datetime | None:
    """When the last whole verification found nothing wrong; None: never."""
    found: datetime | None = Checkpoint.objects.aggregate(at=Min("made_at"))["at"]
    return found
