"""What was spent over time, from the hourly rollups and never from single records: a
page costs the same after a million calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

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
    first = clock.now().date() - timedelta(days=days - 1)
    hours = UsageRollup.objects.filter(
        account_id=account_id, hour__gte=datetime.combine(first, time.min, UTC)
    )
    if spender_ids is not None:
        hours = hours.filter(spender_id__in=spender_ids)
    by_day = hours.annotate(day=TruncDate("hour")).values_list("day")
    sums = {
        day: sums_of_day
        for day, *sums_of_day in by_day.annotate(Sum("requests"), Sum("charged_micros"))
    }
    all_days = (first + timedelta(days=offset) for offset in range(days))
    return [DaySpend(day, *sums.get(day, (0, 0))) for day in all_days]


def last_used(spender_ids: Sequence[int]) -> dict[int, datetime]:
    """The hour in which each spender was last charged for a call, where it ever was."""
    hours = UsageRollup.objects.filter(spender_id__in=spender_ids)
    return dict(hours.values_list("spender_id").annotate(Max("hour")))
