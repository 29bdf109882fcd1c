"""Months of a calendar, as they are written: 2026-11."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from billing.reports.periods import Range, day_of, day_start

MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


def first_day(month: str) -> date:
    """Raises: ValueError for what is no month."""
    found = MONTH.fullmatch(month)
    if found is None or not 2000 <= int(found[1]) <= 9998:
        raise ValueError(f"{month!r} is no month: write e.g. 2026-11")
    return date(int(found[1]), int(found[2]), 1)


def following(month: str) -> str:
    return (first_day(month) + timedelta(days=31)).strftime("%Y-%m")


def month_of(zone: str, moment: datetime) -> str:
    """The month there that the moment is in."""
    return day_of(zone, moment).strftime("%Y-%m")


def span_of(zone: str, month: str) -> Range:
    """From its first instant there until before the next month's. Raises:
    ValueError."""
    ends = first_day(following(month))
    return Range(day_start(zone, first_day(month)), day_start(zone, ends))
