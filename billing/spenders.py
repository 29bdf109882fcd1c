"""Spenders: who may draw on an account. Closing one stops its next call."""

from __future__ import annotations

from datetime import datetime

from billing.models import Spender


def open_spender(
    account_id: int, label: str, *, closes_at: datetime | None = None
) -> Spender:
    """Let somebody draw on the account, until `closes_at` if given."""
    return Spender.objects.create(
        account_id=account_id, label=label, closes_at=closes_at
    )


def close(spender_id: int) -> None:
    """Refuse new holds from the next one on; for good."""
    Spender.objects.filter(id=spender_id).update(is_open=False)


def close_at(spender_id: int, moment: datetime | None) -> None:
    """Set when the spender closes by itself; None keeps it open."""
    Spender.objects.filter(id=spender_id).update(closes_at=moment)
