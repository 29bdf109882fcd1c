"""A window is a function of the clock and the place: no job ever resets one."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from billing.ledger import windows


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def start(window: str, zone: str, moment: datetime) -> datetime:
    return datetime.fromtimestamp(windows.start_of(window, zone, moment), UTC)


@pytest.mark.parametrize(
    ("window", "zone", "moment", "starts", "ends"),
    [
        ("day", "UTC", "2026-11-27 15:00", "2026-11-27 00:00", "2026-11-28 00:00"),
        ("day", "UTC", "2026-11-27 00:00", "2026-11-27 00:00", "2026-11-28 00:00"),
        ("week", "UTC", "2026-11-29 23:59", "2026-11-23 00:00", "2026-11-30 00:00"),
        ("week", "UTC", "2026-11-30 00:00", "2026-11-30 00:00", "2026-12-07 00:00"),
        ("month", "UTC", "2026-12-31 23:59", "2026-12-01 00:00", "2027-01-01 00:00"),
        # Leap days: February has 29 days, and not in 2100.
        ("month", "UTC", "2028-02-29 12:00", "2028-02-01 00:00", "2028-03-01 00:00"),
        ("day", "UTC", "2028-02-29 12:00", "2028-02-29 00:00", "2028-03-01 00:00"),
        ("month", "UTC", "2100-02-28 12:00", "2100-02-01 00:00", "2100-03-01 00:00"),
        # Half hours and quarters.
        (
            *("day", "Asia/Kolkata", "2026-11-26 18:29"),
            *("2026-11-25 18:30", "2026-11-26 18:30"),
        ),
        (
            *("day", "Asia/Kathmandu", "2026-11-26 18:15"),
            *("2026-11-26 18:15", "2026-11-27 18:15"),
        ),
        (
            *("month", "Asia/Kolkata", "2026-11-30 18:30"),
            *("2026-11-30 18:30", "2026-12-31 18:30"),
        ),
        # Days of 23 and 25 hours.
        (
            *("day", "Europe/Berlin", "2026-03-29 12:00"),
            *("2026-03-28 23:00", "2026-03-29 22:00"),
        ),
        (
            *("day", "Europe/Berlin", "2026-10-25 12:00"),
            *("2026-10-24 22:00", "2026-10-25 23:00"),
        ),
        # Lord Howe moves by half an hour.
        (
            *("day", "Australia/Lord_Howe", "2026-10-04 12:00"),
            *("2026-10-03 13:30", "2026-10-04 13:00"),
        ),
        # Midnight is left out: the day begins at one o'clock.
        (
            *("day", "Africa/Cairo", "2026-04-24 09:00"),
            *("2026-04-23 22:00", "2026-04-24 21:00"),
        ),
        # Midnight comes twice, and the first begins the day.
        (
            *("day", "America/Havana", "2026-11-01 12:00"),
            *("2026-11-01 04:00", "2026-11-02 05:00"),
        ),
        # The clock went back over midnight: the next day had begun, and goes on.
        (
            *("day", "America/St_Johns", "2010-11-07 03:00"),
            *("2010-11-07 02:30", "2010-11-08 03:30"),
        ),
        # It jumped over midnight from within the day before.
        (
            *("day", "America/Toronto", "1919-03-31 04:40"),
            *("1919-03-31 04:30", "1919-04-01 04:00"),
        ),
        # A day was left out altogether.
        (
            *("day", "Pacific/Apia", "2011-12-30 09:59"),
            *("2011-12-29 10:00", "2011-12-30 10:00"),
        ),
    ],
)
def test_a_window_begins_and_ends(
    window: str, zone: str, moment: str, starts: str, ends: str
) -> None:
    found = windows.start_of(window, zone, at(moment))
    assert datetime.fromtimestamp(found, UTC) == at(starts)
    assert windows.end_of(window, zone, found) == at(ends)


def test_total_has_no_beginning_and_no_end() -> None:
    assert windows.start_of("total", "UTC", at("2026-11-27 15:00")) == 0
    assert windows.end_of("total", "UTC", 0) is None


@pytest.mark.parametrize("window", ["day", "week", "month"])
@pytest.mark.parametrize(
    "zone",
    [
        *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Africa/Cairo"),
        *("America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Beirut"),
        *("Pacific/Chatham", "America/Santiago", "Asia/Tehran", "America/St_Johns"),
        *("Pacific/Apia", "America/Scoresbysund", "Africa/Casablanca"),
    ],
)
def test_windows_follow_each_other_without_a_gap(window: str, zone: str) -> None:
    moments = [at("2010-01-01 00:00") + timedelta(hours=11 * n) for n in range(1700)]
    seen: list[datetime] = []
    for moment in moments:
        starts = start(window, zone, moment)
        assert starts <= moment
        if not seen or seen[-1] != starts:
            seen.append(starts)
    for one, following in pairwise(seen):
        assert one < following
        ends = windows.end_of(window, zone, int(one.timestamp()))
        assert ends == following
        # Until the last moment before, and not a moment longer.
        last = following - timedelta(microseconds=1)
        assert start(window, zone, last) == one
        local = following.astimezone(ZoneInfo(zone))
        is_monday, is_first = local.weekday() == 0, local.day == 1
        assert {"day": True, "week": is_monday, "month": is_first}[window]


def test_what_was_asked_before_changes_no_answer() -> None:
    """The window of the last question is kept: any order of questions, also back in
    time and between zones, finds what the windows' own ends say."""
    draw = random.Random(20261128)
    zones = ["Asia/Kathmandu", "America/St_Johns", "Africa/Cairo", "Pacific/Apia"]
    for _ in range(2000):
        window, zone = draw.choice(["day", "week", "month"]), draw.choice(zones)
        moment = at("2010-11-01 00:00") + timedelta(minutes=draw.randrange(640_000))
        starts = windows.start_of(window, zone, moment)
        ends = windows.end_of(window, zone, starts)
        assert ends is not None
        assert starts <= moment.timestamp() < ends.timestamp()
