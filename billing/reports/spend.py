"""What was spent over time, from the hourly rollups and never from single records: a
page costs the same after a million calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Max, Sum
from django.db.models.functions import TruncDate

from billing.models import UsageRollup
from billing.values import clock


@dataclass(frozen=True, slots=True)
class DaySpend:
    """One day (UTC)."""

    day: date
    requests: int
    charged_micros: int


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
