"""When keys were last used, and by which program: to the second, in a fixed number of
queries by indexes that there are.

The sums of 15 minutes say in which quarter of an hour a spender was last charged, and
its newest record is in that quarter. No call pays for an index of its own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import (
    DateTimeField,
    ExpressionWrapper,
    OuterRef,
    Subquery,
    UUIDField,
)

from billing.models import Hold, Spender, UsageRecord, UsageRollup

QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class LastCall:
    """A call; `hold_id` is None where only the quarter of an hour is known, in which
    what an earlier call had cost was corrected."""

    at: datetime
    client: str = ""
    client_version: str = ""
    hold_id: UUID | None = None


def last_calls(spender_ids: Collection[int]) -> dict[int, LastCall]:
    """The last call that each was charged for, where there ever was one."""
    quarters = (
        UsageRollup.objects.filter(spender=OuterRef("id"))
        .order_by("-starts_at")
        .values("starts_at")[:1]
    )
    until = ExpressionWrapper(OuterRef("quarter") + QUARTER, DateTimeField())
    records = UsageRecord.objects.filter(
        account=OuterRef("account_id"),
        spender=OuterRef("id"),
        settled_at__gte=OuterRef("quarter"),
        settled_at__lt=until,
    )
    newest = records.order_by("-settled_at").values("hold_id")[:1]
    found = (
        Spender.objects.filter(id__in=list(spender_ids))
        .annotate(quarter=Subquery(quarters))
        .annotate(newest=Subquery(newest, output_field=UUIDField()))
        .filter(quarter__isnull=False)
        .values_list("id", "quarter", "newest")
    )
    rows = list(found)
    by_hold = UsageRecord.objects.in_bulk([hold_id for _, _, hold_id in rows])
    return {
        spender_id: _last(by_hold.get(hold_id), quarter)
        for spender_id, quarter, hold_id in rows
    }


def _last(record: UsageRecord | None, quarter: datetime) -> LastCall:
    if record is None:
        return LastCall(quarter)
    return LastCall(
        record.settled_at, record.client, record.client_version, record.hold_id
    )


def latest(calls: Collection[LastCall | None]) -> LastCall | None:
    """Of several spenders that are one key."""
    known = [call for call in calls if call is not None]
    return max(known, key=lambda call: call.at, default=None)


def first_call(
    account_id: int, spender_ids: Collection[int], since: datetime
) -> Hold | None:
    """The first call of a new key, running or over; `since` it was made, which is not
    long ago: all calls of the organization since then may be read."""
    found = Hold.objects.filter(
        account_id=account_id,
        spender_id__in=list(spender_ids),
        placed_at__gte=since,
        is_envelope=False,
    )
    return found.select_related("usage").order_by("placed_at").first()
