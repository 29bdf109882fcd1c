"""What was granted to an organization, what became of it, and what it owes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from billing.models import Account, Grant


@dataclass(frozen=True, slots=True)
class GrantReport:
    """One grant; of what remains, `held_micros` is kept by running calls."""

    id: int
    source: str
    reason: str
    amount_micros: int
    remaining_micros: int
    held_micros: int
    expires_at: datetime | None
    created_at: datetime
    priority: int
    burns_before: tuple[int, datetime, bool, int]  # its place in the burn order

    @property
    def spent_micros(self) -> int:
        """By calls, or taken or lapsed: whatever is not left."""
        return self.amount_micros - self.remaining_micros


def grants_of(account_id: int) -> list[GrantReport]:
    """All grants of an account, the latest first."""
    found = Grant.objects.filter(account_id=account_id).order_by("-id")
    return [
        GrantReport(
            grant.id,
            grant.source,
            grant.reason,
            grant.amount_micros,
            grant.remaining_micros,
            grant.held_micros,
            grant.expires_at,
            grant.created_at,
            grant.priority,
            grant.burns_before(),
        )
        for grant in found
    ]


def owed_by(account_id: int) -> int:
    """What the organization owes, in microcredits."""
    owed: int = Account.objects.values_list("owed_micros", flat=True).get(id=account_id)
    return owed
