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
NEVER = (0, 0)
# When the window of the last question begins and ends, by its kind and time zone: the
# next question is mostly about the same one, and a hold asks for each of its limits.
_latest: dict[tuple[str, str], tuple[int, int]] = {}


def start_of(window: str, zone: str, moment: datetime) -> int:
    """When the window began that `moment` is in, in seconds since 1970; 0 of the one
    that never ends."""
    if window == Window.TOTAL:
        return 0
    at = moment.timestamp()
    starts, ends = _latest.get((window, zone), NEVER)
    if not starts <= at < ends:
        starts, ends = _latest[window, zone] = _around(window, zone, moment)
    return starts


def _around(window: str, zone: str, moment: datetime) -> tuple[int, int]:
    """When the window begins that `moment` is in, and when the next one does."""
    first = _first_day(window, moment.astimezone(ZoneInfo(zone)).date())
    following = _next(window, first)
    # Where the clock was set back over midnight, the next window has begun already.
    if begin_of_day(zone, following) <= moment.timestamp():
        first, following = following, _next(window, following)
    return begin_of_day(zone, first), begin_of_day(zone, following)


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
