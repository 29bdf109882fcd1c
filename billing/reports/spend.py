"""What was spent over time, from sums of 15 minutes and never from single
records: a page costs the same after a million calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from django.db.models import Max, Sum
from django.db.models.functions import TruncDate

from billing.ledger import dialect
from billing.models import UsageRollup


@dataclass(frozen=True, slots=True)
class DaySpend:
    """One day, from midnight to midnight of the time zone that was asked for."""

    day: date
    requests: int
    charged_micros: int


def spend_by_day(
    account_id: int,
    *,
    days: int,
    spender_ids: Sequence[int] | None = None,
    zone: tzinfo = UTC,
) -> list[DaySpend]:
    """The last `days` days including today, oldest first, none left out. Every time
    zone's midnights are ends of quarters of an hour, so its days add up exactly."""
    since = dialect.start_of_day(zone, days_ago=days - 1)
    rows = UsageRollup.objects.filter(account_id=account_id, starts_at__gte=since)
    if spender_ids is not None:
        rows = rows.filter(spender_id__in=spender_ids)
    by_day = rows.annotate(day=TruncDate("starts_at", tzinfo=zone)).values_list("day")
    sums = {
        day: sums_of_day
        for day, *sums_of_day in by_day.annotate(Sum("requests"), Sum("charged_micros"))
    }
    all_days = (since.date() + timedelta(days=offset) for offset in range(days))
    return [DaySpend(day, *sums.get(day, (0, 0))) for day in all_days]


def last_used(spender_ids: Sequence[int]) -> dict[int, datetime]:
    """The quarter of an hour in which each spender was last charged for a call, where
    it ever was."""
    rows = UsageRollup.objects.filter(spender_id__in=spender_ids)
    return dict(rows.values_list("spender_id").annotate(Max("starts_at")))
