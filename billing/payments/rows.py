"""Rows of top-ups: found, locked, and written with their seals."""

from __future__ import annotations

from uuid import UUID

from billing.ledger import facts
from billing.models import TopUp
from billing.payments import errors


def named(public_id: str) -> UUID | None:
    """`topup_` and 32 digits → the id; null for anything else."""
    prefix, _, digits = public_id.partition("_")
    if prefix != "topup" or len(digits) != 32 or set(digits) - set("0123456789abcdef"):
        return None
    return UUID(digits)


def locked(topup_id: UUID) -> TopUp:
    """Inside the caller's transaction. Raises: UnknownTopUp."""
    found = TopUp.objects.select_for_update(no_key=True).filter(id=topup_id).first()
    if found is None:
        raise errors.UnknownTopUp("There is no such top-up.")
    return found


def store(topup: TopUp) -> None:
    """Write it with its seal; it is locked."""
    topup.seal = facts.seal_of_topup(topup)
    topup.save()
