"""What the pages show, read from the ledger: balances, spend, the latest calls.

Sums over time come from the hourly rollups, never from single records, so a page
costs the same after a million calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db.models import F, Max, Q, Sum
from django.db.models.functions import TruncDate

from billing.models import Account, Grant, Hold, UsageRecord, UsageRollup
from billing.models.usage import Basis
from billing.values import clock
from billing.values.amounts import price_of


@dataclass(frozen=True, slots=True)
class Balance:
    """Microcredits: all there is, what running calls hold, what a new call may use.

    `available` can be less than `balance − held`: expired credits are still on the
    books until they are booked out, but nobody can use them.
    """

    balance_micros: int
    held_micros: int
    available_micros: int


@dataclass(frozen=True, slots=True)
class Means:
    """What a new call would find at one moment; the next hold may change it.

    `returning_micros` is what comes back, at most, when running calls settle.
    """

    is_open: bool
    price_factor_ppm: int
    balance_micros: int
    held_micros: int
    available_micros: int
    returning_micros: int

    def hold_micros(self, bound_micros: int) -> int:
        """What is held for a call that may cost at most `bound_micros`."""
        return price_of(bound_micros, self.price_factor_ppm)


@dataclass(frozen=True, slots=True)
class Call:
    """One call, running or finished. `charged_micros` is None while nobody knows."""

    request_id: str
    placed_at: datetime
    state: str
    operation: str
    model: str
    spender_id: int
    spender_label: str
    held_micros: int
    charged_micros: int | None
    basis: str
    prompt_tokens: int
    completion_tokens: int
    reason: str
    duration_ms: int
    streamed: bool
    ended_at: datetime | None  # or came to doubt
    price_micros: int | None  # charged, and what the operator bears of it
    flags: str


@dataclass(frozen=True, slots=True)
class DaySpend:
    """One day (UTC)."""

    day: date
    requests: int
    charged_micros: int


def balance(account_id: int) -> Balance:
    """Raises: Account.DoesNotExist."""
    account = Account.objects.get(id=account_id)
    usable = Grant.objects.filter(account_id=account_id, remaining_micros__gt=0).filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=clock.now())
    )
    free = usable.aggregate(
        micros=Sum(F("remaining_micros") - F("held_micros"), default=0)
    )
    return Balance(account.balance_micros, account.held_micros, free["micros"])


def means(account_id: int) -> Means:
    """In one query, so that the figures belong together.

    Raises: Account.DoesNotExist.
    """
    usable = Q(grant__remaining_micros__gt=0) & (
        Q(grant__expires_at__isnull=True) | Q(grant__expires_at__gt=clock.now())
    )
    account = Account.objects.annotate(
        remaining=Sum("grant__remaining_micros", filter=usable, default=0),
        pinned=Sum("grant__held_micros", filter=usable, default=0),
    ).get(id=account_id)
    return Means(
        is_open=account.is_open,
        price_factor_ppm=account.price_factor_ppm,
        balance_micros=account.balance_micros,
        held_micros=account.held_micros,
        available_micros=account.remaining - account.pinned,
        returning_micros=account.pinned,
    )


def latest_calls(
    account_id: int, *, limit: int = 20, spender_ids: Sequence[int] | None = None
) -> list[Call]:
    """The newest calls first; `spender_ids` narrows them to those keys."""
    holds = Hold.objects.filter(account_id=account_id)
    if spender_ids is not None:
        holds = holds.filter(spender_id__in=spender_ids)
    found = holds.select_related("spender", "usage").order_by("-placed_at")[:limit]
    return [_call(hold) for hold in found]


def call(account_id: int, hold_id: UUID) -> Call | None:
    """One call of this account; None for anybody else's."""
    hold = (
        Hold.objects.filter(id=hold_id, account_id=account_id)
        .select_related("spender", "usage")
        .first()
    )
    return _call(hold) if hold else None


def charge(hold_id: UUID) -> tuple[int | None, str]:
    """What was charged for a hold, in micros, and on what basis; None: nothing yet."""
    record = UsageRecord.objects.filter(hold_id=hold_id).first()
    return (record.charged_micros, record.basis) if record else (None, "")


def _call(hold: Hold) -> Call:
    usage: UsageRecord | None = getattr(hold, "usage", None)
    nothing_charged = 0 if hold.state == "released" else None
    return Call(
        request_id=f"req_{hold.id.hex}",
        placed_at=hold.placed_at,
        state=hold.state,
        operation=hold.operation,
        model=hold.model,
        spender_id=hold.spender_id,
        spender_label=hold.spender.label,
        held_micros=hold.amount_micros,
        charged_micros=usage.charged_micros if usage else nothing_charged,
        basis=usage.basis if usage else "",
        prompt_tokens=usage.prompt_tokens if usage else 0,
        completion_tokens=usage.completion_tokens if usage else 0,
        reason=hold.reason,
        duration_ms=usage.duration_ms if usage else 0,
        streamed=usage.streamed if usage else False,
        ended_at=hold.changed_at,
        price_micros=usage.price_micros if usage else nothing_charged,
        flags=usage.flags if usage else "",
    )


def spend_by_day(
    account_id: int, *, days: int, spender_ids: Sequence[int] | None = None
) -> list[DaySpend]:
    """The last `days` days including today (UTC), oldest first, none left out."""
    today = clock.now().date()
    first = today - timedelta(days=days - 1)
    hours = UsageRollup.objects.filter(
        account_id=account_id, hour__gte=_midnight(first)
    )
    if spender_ids is not None:
        hours = hours.filter(spender_id__in=spender_ids)
    sums = {
        row["day"]: row
        for row in hours.annotate(day=TruncDate("hour"))
        .values("day")
        .annotate(requests_sum=Sum("requests"), charged=Sum("charged_micros"))
    }
    spend = []
    for offset in range(days):
        day = first + timedelta(days=offset)
        row = sums.get(day, {"requests_sum": 0, "charged": 0})
        spend.append(DaySpend(day, row["requests_sum"], row["charged"]))
    return spend


def _midnight(day: date) -> datetime:
    now = clock.now()
    return datetime(day.year, day.month, day.day, tzinfo=now.tzinfo)


def last_used(spender_ids: Sequence[int]) -> dict[int, datetime]:
    """The hour in which each spender was last charged for a call, where it ever was."""
    found = (
        UsageRollup.objects.filter(spender_id__in=spender_ids)
        .values("spender_id")
        .annotate(latest=Max("hour"))
    )
    return {row["spender_id"]: row["latest"] for row in found}


def doubtful_calls(account_id: int | None = None) -> list[Call]:
    """Calls whose true cost nobody knows, newest first, for the operator to look at."""
    holds = Hold.objects.filter(Q(state="in_doubt") | Q(usage__basis=Basis.IN_DOUBT))
    if account_id is not None:
        holds = holds.filter(account_id=account_id)
    found = holds.select_related("spender", "usage").order_by("-placed_at")
    return [_call(hold) for hold in found]
