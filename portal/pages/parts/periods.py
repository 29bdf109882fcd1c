"""Spans of time that a page can be asked for, in an organization's time zone.

Days are the calendar's: one of them has 23 hours in spring, and one 25 in autumn.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

NAMES = (
    ("today", "Today"),
    ("7d", "7 days"),
    ("30d", "30 days"),
    ("month", "This month"),
    ("previous-month", "Last month"),
    ("custom", "From … to …"),
)
LABELS = dict(NAMES)
DAYS = {"today": 1, "7d": 7, "30d": 30}
LONGEST = timedelta(days=1100)  # three years


class NoPeriod(ValueError):
    """Not a span of time; what it says is shown beside the field."""


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` until before `until`, both in UTC. `name` is one of `NAMES`."""

    name: str
    since: datetime
    until: datetime
    zone: ZoneInfo

    @property
    def first_day(self) -> date:
        return self.since.astimezone(self.zone).date()

    @property
    def last_day(self) -> date:
        moment = timedelta(microseconds=1)
        return (self.until - moment).astimezone(self.zone).date()

    @property
    def days(self) -> int:
        """Calendar days that it touches."""
        return (self.last_day - self.first_day).days + 1

    @property
    def label(self) -> str:
        """“Last month”, or from when to when."""
        return LABELS[self.name] if self.name != "custom" else self.words

    @property
    def words(self) -> str:
        """The days, “1–26 Oct 2026”; of a custom one from minute to minute."""
        if self.name == "custom":
            ends = [at.astimezone(self.zone) for at in (self.since, self.until)]
            return " – ".join(f"{at:%Y-%m-%d %H:%M}" for at in ends)
        first, last = self.first_day, self.last_day
        end = f"{last.day} {last:%b %Y}"
        if first == last:
            return end
        if (first.year, first.month) == (last.year, last.month):
            return f"{first.day}–{end}"
        year = "" if first.year == last.year else f" {first.year}"
        return f"{first.day} {first:%b}{year} – {end}"

    def before(self, now: datetime) -> Period:
        """The one to compare it with: as long, and just before. Of one that still runs,
        as much as has passed, so that Tuesday morning is compared with a morning."""
        until = min(self.until, max(now, self.since))
        if self.name in DAYS:
            return self._moved(timedelta(days=DAYS[self.name]), until)
        if self.name in {"month", "previous-month"}:
            return self._month_before(until)
        length = self.until - self.since
        return Period("custom", self.since - length, self.since, self.zone)

    def _moved(self, back: timedelta, until: datetime) -> Period:
        """By the clock on the wall."""
        since, until = (
            _utc(at.astimezone(self.zone) - back) for at in (self.since, until)
        )
        return Period(self.name, since, until, self.zone)

    def _month_before(self, until: datetime) -> Period:
        first = _first_of_month(self.first_day - timedelta(days=1))
        since = midnight(first, self.zone)
        if until == self.until:
            return Period(self.name, since, self.since, self.zone)
        there = until.astimezone(self.zone)
        longest = calendar.monthrange(first.year, first.month)[1]
        if there.day > longest:
            return Period(self.name, since, self.since, self.zone)
        same = there.replace(year=first.year, month=first.month)
        return Period(self.name, since, _utc(same), self.zone)


def named(name: str, zone: ZoneInfo, now: datetime) -> Period:
    """A period that needs no dates. Raises: NoPeriod."""
    today = now.astimezone(zone).date()
    first, last = today, today
    if name in DAYS:
        first = today - timedelta(days=DAYS[name] - 1)
    elif name == "month":
        first = _first_of_month(today)
    elif name == "previous-month":
        last = _first_of_month(today) - timedelta(days=1)
        first = _first_of_month(last)
    else:
        raise NoPeriod("Choose one of the periods.")
    until = midnight(last + timedelta(days=1), zone)
    return Period(name, midnight(first, zone), until, zone)


def custom(since: str, until: str, zone: ZoneInfo, now: datetime) -> Period:
    """As fields of dates and times have it, to the minute; without an end until now.
    An hour that the clock shows twice is taken in whole. Raises: NoPeriod."""
    start = _moment(since, zone)
    end = _moment(until, zone, fold=1) if until else _utc(now).replace(second=0)
    if end <= start:
        raise NoPeriod("It ends before it begins.")
    if end - start > LONGEST:
        raise NoPeriod("Choose three years at most.")
    return Period("custom", start, end, zone)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins there, in UTC. Where a clock skips midnight, when it does."""
    return _utc(datetime.combine(day, time.min, zone))


def _moment(text: str, zone: ZoneInfo, *, fold: int = 0) -> datetime:
    try:
        found = datetime.fromisoformat(text.replace("\0", "?"))
        if found.tzinfo is None:
            found = found.replace(tzinfo=zone, fold=fold)
        return _utc(found)
    except (ValueError, OverflowError):
        raise NoPeriod("Write a date and a time: 2026-10-12 14:00.") from None


def _first_of_month(day: date) -> date:
    return day.replace(day=1)


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)
