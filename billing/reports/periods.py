"""Ranges of time, what comes before one, and how one is divided into buckets.

Everything is an instant; a time zone only says where a day or an hour begins. So a day
that the clocks change has 23 or 25 hours, and the buckets of a range neither overlap
nor leave anything out. Ranges are half open: `end` is not in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import islice
from zoneinfo import ZoneInfo

from billing.ledger import dialect, windows

QUARTER = timedelta(minutes=15)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# More than this nobody can look at, and no question takes long.
BUCKETS_MAX = 1000


class Bucket(StrEnum):
    """How long the parts of a range are; a day begins in some time zone."""

    QUARTER = "quarter"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"  # from Monday
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Range:
    """From `start` until before `end`: aware, and in UTC."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Slot:
    """One bucket, as far as it is in the range; `begins` is when it begins in full."""

    begins: datetime
    start: datetime
    end: datetime
    is_whole: bool


class TooManyBuckets(ValueError):
    """The range has more buckets of this length than anybody can look at."""


def day_start(zone: str, day: date) -> datetime:
    """The first instant of the day there."""
    return datetime.fromtimestamp(windows.begin_of_day(zone, day), UTC)


def day_of(zone: str, moment: datetime) -> date:
    """The day there that the moment is in."""
    local = moment.astimezone(ZoneInfo(zone)).date()
    # Where midnight comes twice, the new day has begun with the first.
    return local + DAY if day_start(zone, local + DAY) <= moment else local


def days(zone: str, first: date, last: date) -> Range:
    """Whole days there, both included."""
    return Range(day_start(zone, first), day_start(zone, last + DAY))


def last_days(zone: str, count: int, *, now: datetime | None = None) -> Range:
    """The last so many days there, today's whole day the last of them."""
    today = day_of(zone, now or dialect.now())
    return days(zone, today - DAY * (count - 1), today)


def previous(span: Range, zone: str) -> Range:
    """As much time directly before: as many days, where the range is of whole days
    there; else the same duration."""
    first, last = day_of(zone, span.start), day_of(zone, span.end)
    if day_start(zone, first) == span.start and day_start(zone, last) == span.end:
        return Range(day_start(zone, first - (last - first)), span.start)
    return Range(span.start - span.length, span.start)


def buckets(span: Range, bucket: Bucket, zone: str) -> list[Slot]:
    """The parts of the range, oldest first; the first and the last may be cut.

    Raises: TooManyBuckets.
    """
    found = list(islice(each_bucket(span, bucket, zone), BUCKETS_MAX + 1))
    if len(found) > BUCKETS_MAX:
        raise TooManyBuckets(
            f"this range has more than {BUCKETS_MAX} parts of a {bucket.value}"
        )
    return found


def each_bucket(span: Range, bucket: Bucket, zone: str) -> Iterator[Slot]:
    """The same one by one, however many there are."""
    for begins, ends in _whole(span, bucket, zone):
        start, end = max(begins, span.start), min(ends, span.end)
        yield Slot(begins, start, end, (start, end) == (begins, ends))


def fitting(span: Range) -> Bucket:
    """The bucket that divides a range into some tens of parts."""
    if span.length <= 8 * HOUR:
        return Bucket.QUARTER
    if span.length <= 3 * DAY:
        return Bucket.HOUR
    if span.length <= 100 * DAY:
        return Bucket.DAY
    return Bucket.WEEK if span.length <= 400 * DAY else Bucket.MONTH


def _whole(
    span: Range, bucket: Bucket, zone: str
) -> Iterator[tuple[datetime, datetime]]:
    """Begin and end of each bucket that has a part of the range."""
    begins = floor(span.start, bucket, zone)
    while begins < span.end:
        ends = _following(begins, bucket, zone)
        yield begins, ends
        begins = ends


def floor(moment: datetime, bucket: Bucket, zone: str) -> datetime:
    """When the bucket began that the moment is in."""
    if bucket == Bucket.QUARTER:
        return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)
    if bucket == Bucket.HOUR:
        local = moment.astimezone(ZoneInfo(zone))
        past = timedelta(
            minutes=local.minute, seconds=local.second, microseconds=local.microsecond
        )
        return moment - past
    first = _first_day(bucket, day_of(zone, moment))
    return day_start(zone, first)


def _following(begins: datetime, bucket: Bucket, zone: str) -> datetime:
    if bucket == Bucket.QUARTER:
        return begins + QUARTER
    if bucket == Bucket.HOUR:
        # Where clocks change by half an hour, an hour may be longer or shorter.
        aligned = floor(begins + HOUR, bucket, zone)
        return aligned if aligned > begins else begins + HOUR
    first = day_of(zone, begins)
    if bucket == Bucket.MONTH:
        following = (first.replace(day=1) + 31 * DAY).replace(day=1)
    else:
        following = first + (7 * DAY if bucket == Bucket.WEEK else DAY)
    return day_start(zone, following)


def _first_day(bucket: Bucket, day: date) -> date:
    if bucket == Bucket.WEEK:
        return day - DAY * day.weekday()
    return day.replace(day=1) if bucket == Bucket.MONTH else day
