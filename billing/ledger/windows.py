"""Windows of time, as a function of the clock and a time zone: nothing is ever reset.

A day begins at the first instant at which its date, or a later one, is on the clock's
face there: at midnight, unless midnight is left out or comes twice.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from billing.models.budget import Window

DAY = timedelta(days=1)


def start_of(window: str, zone: str, moment: datetime) -> int:
    """When the window began that `moment` is in, in seconds since 1970; 0 of the one
    that never ends."""
    if window == Window.TOTAL:
        return 0
    at = moment.timestamp()
    first = _first_day(window, moment.astimezone(ZoneInfo(zone)).date())
    # Where the clock was set back over midnight, the next window has begun already.
    following = begin_of_day(zone, _next(window, first))
    return following if following <= at else begin_of_day(zone, first)


def end_of(window: str, zone: str, starts: int) -> datetime | None:
    """When the window that begins then ends; never, of "total"."""
    if window == Window.TOTAL:
        return None
    begun = datetime.fromtimestamp(starts, UTC).astimezone(ZoneInfo(zone)).date()
    following = _next(window, _first_day(window, begun))
    return datetime.fromtimestamp(begin_of_day(zone, following), UTC)


def _first_day(window: str, day: date) -> date:
    if window == Window.WEEK:
        return day - DAY * day.weekday()
    return day.replace(day=1) if window == Window.MONTH else day


def _next(window: str, first: date) -> date:
    if window == Window.MONTH:
        return (first + 31 * DAY).replace(day=1)
    return first + (7 * DAY if window == Window.WEEK else DAY)


@lru_cache(maxsize=4096)
def begin_of_day(zone: str, day: date) -> int:
    """The first second, since 1970, at which the date there is `day` or later."""
    place = ZoneInfo(zone)
    midnight = datetime(day.year, day.month, day.day, tzinfo=place)
    # Both readings of a midnight that comes twice, or not at all.
    readings = (midnight.timestamp(), midnight.replace(fold=1).timestamp())
    early, late = int(min(readings)), int(max(readings))
    if datetime.fromtimestamp(early, place).date() >= day:
        return early
    while early < late:
        between = (early + late) // 2
        if datetime.fromtimestamp(between, place).date() >= day:
            late = between
        else:
            early = between + 1
    return early
