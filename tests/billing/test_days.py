"""Days of any time zone are made of sums of 15 minutes, and shares of them by whom."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from billing import holds, spenders
from billing.models import LearnedBound, Pause, Spender, UsageRecord
from billing.models.account import UnitKind
from billing.reports.bounds import borne_today
from billing.reports.periods import Range
from billing.reports.spend import spend_by_day
from billing.reports.usage import Chosen, Dimension, Subject, figures, total
from billing.values import clock as clocks
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import Payer

ZONES = (
    *("UTC", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Adelaide"),
    *("America/New_York", "America/Santiago", "Australia/Lord_Howe"),
    *("Pacific/Kiritimati", "Pacific/Pago_Pago"),
)


def days_of_records(customer: Payer, zone: ZoneInfo) -> dict[date, tuple[int, int]]:
    """The same from single records, by their own instants."""
    requests: Counter[date] = Counter()
    charged: Counter[date] = Counter()
    for record in UsageRecord.objects.filter(account_id=customer.account_id):
        day = record.settled_at.astimezone(zone).date()
        requests[day] += 1
        charged[day] += record.charged_micros
    return {day: (requests[day], charged[day]) for day in requests}


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize(
    "start",
    [
        datetime(2020, 2, 28, 23, tzinfo=UTC),  # a leap day
        datetime(2020, 3, 7, 12, tzinfo=UTC),  # New York goes forward
        datetime(2020, 4, 4, 2, tzinfo=UTC),  # Adelaide, Lord Howe, Santiago go back
        datetime(2020, 9, 5, 12, tzinfo=UTC),  # Santiago goes forward, at midnight
    ],
    ids=str,
)
def test_the_days_of_a_zone_are_exactly_those_of_its_calls(
    customer: Payer, clock: Clock, name: str, start: datetime
) -> None:
    customer.grant(100)
    zone, clock.moment = ZoneInfo(name), start
    # 48 hours of calls, one of them at each midnight and one just before it.
    steps = (14, 1, 30, 44, 1, 45, 59, 61, 119, 121, 180, 165, 15, 240, 300, 480, 1005)
    for price, minutes in enumerate(steps, start=1):
        customer.call(price)
        clock.advance(minutes=minutes, microseconds=-1 if price % 2 else 1)

    days = spend_by_day(customer.account_id, days=5, zone=zone)
    found = {day.day: (day.requests, day.charged_micros) for day in days}
    assert {day: sums for day, sums in found.items() if sums[0]} == days_of_records(
        customer, zone
    )
    assert [day.day for day in days] == [
        clock.moment.astimezone(zone).date() - timedelta(days=ago)
        for ago in range(4, -1, -1)
    ]


@pytest.mark.parametrize("name", ["Asia/Kolkata", "Asia/Kathmandu"])
def test_a_call_at_midnight_is_of_the_day_that_begins(
    customer: Payer, clock: Clock, name: str
) -> None:
    """Half past and a quarter past an hour of UTC: sums of hours would be wrong."""
    midnight = datetime(2020, 3, 1, tzinfo=ZoneInfo(name)).astimezone(UTC)
    for micros, offset in ((1, -1), (2, 0), (4, 1)):
        clock.moment = midnight + timedelta(seconds=offset)
        customer.call(micros)

    days = spend_by_day(customer.account_id, days=2, zone=ZoneInfo(name))
    assert [(day.requests, day.charged_micros) for day in days] == [(1, 1), (2, 6)]


@pytest.mark.once
def test_every_zones_midnights_are_ends_of_quarters() -> None:
    """Of this century, and as far as anybody knows."""
    offsets = {
        datetime(year, month, 1, tzinfo=ZoneInfo(name)).utcoffset()
        for name in available_timezones()
        for year in range(2000, 2038)
        for month in (1, 7)
    }
    assert {each for each in offsets if each and each % timedelta(minutes=15)} == set()


@pytest.mark.postgres_only
def test_what_is_shown_goes_by_the_databases_clock(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's own clock is two days ahead."""
    now = datetime.now(UTC)
    customer = Payer.open(credits=100)
    customer.grant(50, expires_at=now + timedelta(days=1))
    order = customer.order(10)
    ahead = now + timedelta(days=2)
    monkeypatch.setattr(clocks, "now", lambda: ahead)
    holds.commit([order])
    customer.settle(order.hold_id, 30)  # 20 above its hold
    assert customer.figures() == (120, 0, 120)
    customer.settle(customer.hold(120), 130)

    (day,) = spend_by_day(customer.account_id, days=1)
    assert (day.requests, day.charged_micros) == (2, 150)
    assert borne_today(Pause(account_id=customer.account_id)) == 10
    (taught,) = LearnedBound.objects.filter(shape=order.shape)
    assert taught.learned_at < now + timedelta(days=1)


def test_spend_is_divided_by_each_dimension(customer: Payer, clock: Clock) -> None:
    project = spenders.open_unit(customer.account_id, UnitKind.PROJECT, "search")
    holder = spenders.open_unit(customer.account_id, UnitKind.MEMBER, "bob")
    other = spenders.open_spender(
        customer.account_id, "other", project_id=project.id, holder_id=holder.id
    )
    for micros, particulars in (
        (1, {}),
        (2, {"spender_id": other.id, "client": "curl"}),
        (4, {"spender_id": other.id, "model": "m", "operation": "embeddings"}),
    ):
        hold_id = customer.hold(micros, **particulars)
        customer.settle(hold_id, micros)

    def shares(dimension: Dimension) -> dict[Subject, tuple[int, int]]:
        span = Range(START, START + timedelta(hours=1))
        found = figures(Chosen(customer.account_id), [span], [dimension])
        return {
            subject: (used.requests, used.charged_micros)
            for (_, (subject,)), used in found.items()
        }

    own = Spender.objects.get(id=customer.spender_id)
    assert shares(Dimension.PROJECT) == {project.id: (2, 6), 0: (1, 1)}
    assert shares(Dimension.HOLDER) == {holder.id: (2, 6), 0: (1, 1)}
    assert shares(Dimension.KEY) == {other.id: (2, 6), own.id: (1, 1)}
    assert shares(Dimension.MODEL) == {"m": (1, 4), "openai/gpt-4o": (2, 3)}
    assert shares(Dimension.CLIENT) == {"": (2, 5), "curl": (1, 2)}
    by_operation = {"embeddings": (1, 4), "chat.completions": (2, 3)}
    assert shares(Dimension.OPERATION) == by_operation


def test_a_share_is_of_its_time_account_and_keys(
    customer: Payer, stranger: Payer, clock: Clock
) -> None:
    stranger.call(64)
    for micros in (1, 2, 4):
        customer.call(micros)
        clock.advance(minutes=15)

    quarter = timedelta(minutes=15)
    later = START + 9 * quarter

    def charged(start: datetime = START, end: datetime = later) -> int:
        return total(Chosen(customer.account_id), Range(start, end)).charged_micros

    assert charged() == 7
    assert charged(START + quarter) == 6
    assert charged(START, START + quarter) == 1
    assert charged(START + quarter, START + 2 * quarter) == 2
    foreign = Chosen(customer.account_id, spender_ids=(stranger.spender_id,))
    assert total(foreign, Range(START, later)).charged_micros == 0
