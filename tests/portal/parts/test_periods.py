"""Days are the calendar's of the organization's time zone, whatever the clock does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.http import Http404, QueryDict

from portal.pages.parts import filters, periods
from portal.pages.parts.filters import Choice, Range, Text

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 10, 26, 9, 30, tzinfo=UTC)  # the day after the clock went back


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "zone", "since", "until", "words"),
    [
        ("today", "UTC", "2026-10-26", "2026-10-27", "26 Oct 2026"),
        (
            "today",
            "Asia/Kathmandu",
            "2026-10-25 18:15",
            "2026-10-26 18:15",
            "26 Oct 2026",
        ),
        # Sunday had 25 hours.
        (
            "7d",
            "Europe/Berlin",
            "2026-10-19 22:00",
            "2026-10-26 23:00",
            "20–26 Oct 2026",
        ),
        ("30d", "UTC", "2026-09-27", "2026-10-27", "27 Sep – 26 Oct 2026"),
        (
            "month",
            "Europe/Berlin",
            "2026-09-30 22:00",
            "2026-10-26 23:00",
            "1–26 Oct 2026",
        ),
        ("previous-month", "UTC", "2026-09-01", "2026-10-01", "1–30 Sep 2026"),
    ],
)
def test_named_periods(
    name: str, zone: str, since: str, until: str, words: str
) -> None:
    period = periods.named(name, ZoneInfo(zone), NOW)
    assert (period.since, period.until) == (utc(since), utc(until))
    assert period.words == words


def test_a_midnight_that_a_clock_skips() -> None:
    havana = ZoneInfo("America/Havana")
    day = datetime(2026, 3, 8, tzinfo=UTC).date()  # 00:00 → 01:00
    assert periods.midnight(day, havana) == utc("2026-03-08 05:00")


@pytest.mark.parametrize(
    ("name", "since", "until"),
    [
        # Until half past ten on the day before, by the clock on the wall.
        ("today", "2026-10-24 23:00", "2026-10-25 09:30"),
        ("7d", "2026-10-12 22:00", "2026-10-19 08:30"),
        ("month", "2026-08-31 22:00", "2026-09-26 08:30"),
        ("previous-month", "2026-07-31 22:00", "2026-08-31 22:00"),
    ],
)
def test_the_period_before(name: str, since: str, until: str) -> None:
    before = periods.named(name, BERLIN, NOW).before(NOW)
    assert (before.since, before.until) == (
        *(utc(since if name != "today" else "2026-10-24 22:00"), utc(until)),
    )


def test_a_custom_one_is_to_the_minute_and_takes_a_doubled_hour_in_whole() -> None:
    period = periods.custom("2026-10-25T02:30", "2026-10-25T02:45", BERLIN, NOW)
    assert period.until - period.since == timedelta(hours=1, minutes=15)
    before = period.before(NOW)
    assert (before.until, before.until - before.since) == (
        *(period.since, period.until - period.since),
    )
    assert periods.custom("2026-10-26T10:00", "", BERLIN, NOW).until == NOW


BAR = (
    Range("7d"),
    Choice("model", "Model", [("a", "Model A")], takes_others=True),
    Choice("key", "Key", [("1", "laptop")]),
    Text("q", "Search"),
)


def read(query: str) -> filters.Filters:
    return filters.read(QueryDict(query), BERLIN, BAR, now=NOW)


def test_the_state_is_the_query_string() -> None:
    found = read("model=b&key=1&q=+x+&range=month&sort=-when&after=c&format=csv")
    assert found.values == {"model": "b", "key": "1", "q": "x"}
    assert found.span.name == "month"
    assert found.kept == [("sort", "-when")]
    assert [(chip.label, chip.value) for chip in found.chips] == [
        *(("Model", "b"), ("Key", "laptop"), ("Search", "x")),
    ]
    # Without the model, from the first page on, and still sorted as it was.
    assert "model" not in found.chips[0].url
    assert "after" not in found.chips[0].url
    assert "sort=-when" in found.chips[0].url


def test_a_key_that_is_not_ones_own_is_missing() -> None:
    with pytest.raises(Http404):
        read("key=2")


@pytest.mark.parametrize(
    "query",
    [
        *("from=yesterday", "range=custom", "to=2026-10-01T00:00", "range=decade"),
        "from=2026-10-02T00:00&to=2026-10-01T00:00",
        "from=0001-01-01T00:00&to=2026-10-01T00:00",
        "from=2026-10-01T00:00%00",
    ],
)
def test_nonsense_is_said_and_the_usual_period_is_shown(query: str) -> None:
    found = read(query)
    assert found.error
    assert found.span.name == "7d"


def test_dates_win_over_a_period_that_was_shown_before() -> None:
    found = read("range=7d&from=2026-10-01T00:00&to=2026-10-02T00:00")
    assert (found.span.name, found.error) == ("custom", "")
    assert found.chips[0].value == "2026-10-01 00:00 – 2026-10-02 00:00"
