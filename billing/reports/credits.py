"""What was granted to an organization, what became of it, and what it owes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from billing.ledger import dialect
from billing.models import Account, Grant, Hold
from billing.models.grant import GrantSource
from billing.models.hold import HoldState
from billing.reports.balance import Balance, balance_of
from billing.values.connection import snapshot

SECONDS = 8  # for a page or an answer


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


@dataclass(frozen=True, slots=True)
class Lapse:
    """So much of a grant expires then, unless it is spent before."""

    at: datetime
    source: str
    remaining_micros: int


@dataclass(frozen=True, slots=True)
class Funds:
    """What an organization has, and of what kind; all of one moment. Purchased and
    granted together are the balance, but for what expired and is not booked out yet."""

    purchased_micros: int  # what is left of what was bought
    granted_micros: int  # the same of promotions, trials, refunds and credits given
    expiring: list[Lapse]  # which of both have an end, the next first
    in_doubt_micros: int  # part of what is held
    balance: Balance


def funds_of(account_id: int) -> Funds:
    """Raises: Account.DoesNotExist."""
    with snapshot(SECONDS):
        balance = balance_of(account_id)
        now = dialect.now()
        left = [
            grant
            for grant in Grant.objects.filter(
                account_id=account_id, remaining_micros__gt=0
            ).order_by("expires_at", "id")
            if grant.expires_at is None or grant.expires_at > now
        ]
        doubtful = Hold.objects.filter(account_id=account_id, state=HoldState.IN_DOUBT)
        in_doubt = doubtful.aggregate(sum=Sum("amount_micros", default=0))["sum"]
    bought = [grant for grant in left if grant.source == GrantSource.PURCHASE]
    purchased = sum(grant.remaining_micros for grant in bought)
    return Funds(
        purchased,
        sum(grant.remaining_micros for grant in left) - purchased,
        [
            Lapse(grant.expires_at, grant.source, grant.remaining_micros)
            for grant in left
            if grant.expires_at is not None
        ],
        in_doubt,
        balance,
    )
