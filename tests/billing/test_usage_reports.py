"""Usage by bucket and dimension: exactly what the ledger booked, however it is read."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing import budgets, usage_days
from billing.models import (
    Account,
    Correction,
    Entry,
    Spender,
    UsageDay,
    UsageDays,
    UsageRecord,
)
from billing.models.usage_day import Cut
from billing.reports import periods, usage
from billing.reports.periods import Bucket, Range
from billing.reports.usage import Chosen, Dimension, Figures, _Question
from billing.reports.usage_sql import Largest
from billing.verification.days import wrong_days
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import Payer
from tests.support.ledger.spending import Spending

# Clocks go forward in New York, and back in Santiago; the others are at half past and
# at a quarter to an hour of UTC.
BEGINNINGS = {
    "UTC": datetime(2020, 2, 28, 22, 37, tzinfo=UTC),
    "Asia/Kolkata": datetime(2020, 2, 29, 12, tzinfo=UTC),
    "Asia/Kathmandu": datetime(2020, 2, 29, 12, tzinfo=UTC),
    "America/New_York": datetime(2020, 3, 7, 12, 3, tzinfo=UTC),
}
Line = tuple[datetime, dict[Dimension, object], Figures]


def lines_of(account_id: int) -> list[Line]:
    """What the ledger booked, line by line."""
    first = {s.id: s.parent_id or s.counts_as_id or s.id for s in Spender.objects.all()}
    found: list[Line] = []
    records = list(UsageRecord.objects.filter(account_id=account_id))
    posted = Correction.objects.filter(account_id=account_id, state="posted")
    rows: list[Any] = [*records, *posted.select_related("hold")]
    for row in rows:
        is_record = isinstance(row, UsageRecord)
        subjects = {
            Dimension.MODEL: row.model,
            Dimension.KEY: first[row.spender_id],
            Dimension.PROJECT: row.project_id or 0,
            Dimension.HOLDER: row.holder_id or 0,
            Dimension.OPERATION: row.operation,
            Dimension.CLIENT: row.client,
            Dimension.SESSION: row.session if is_record else row.hold.session,
        }
        moment = row.settled_at if is_record else row.ended_at
        figures = Figures(
            1 if is_record else row.requests,
            row.prompt_tokens,
            row.completion_tokens,
            row.charged_micros,
        )
        found.append((moment, subjects, figures))
    return found


def expected(
    lines: list[Line], span: Range, by: tuple[Dimension, ...], **only: object
) -> dict[tuple[object, ...], Figures]:
    sums: dict[tuple[object, ...], Figures] = {}
    for moment, subjects, figures in lines:
        if not span.start <= moment < span.end:
            continue
        if all(subjects[Dimension(name)] == value for name, value in only.items()):
            group = tuple(subjects[each] for each in by)
            sums[group] = sums.get(group, Figures()) + figures
    return {group: figures for group, figures in sums.items() if figures != Figures()}


def found(
    chosen: Chosen, span: Range, *by: Dimension
) -> dict[tuple[object, ...], Figures]:
    return {group[1]: row for group, row in usage.figures(chosen, [span], by).items()}


def make_days(account_id: int, steps: int = 10**6) -> None:
    while steps and usage_days.add_next(account_id):
        steps -= 1


def check(spending: Spending, zone: str, chance: Random) -> None:
    """Ranges with edges anywhere, by everything, and narrowed by everything."""
    account_id = spending.payer.account_id
    lines, chosen = lines_of(account_id), Chosen(account_id)
    begun = min(moment for moment, _, _ in lines)
    length = (spending.clock.moment - begun).total_seconds()
    spans = [periods.last_days(zone, 9)]
    for unit in (1, 900):
        edges = sorted(chance.uniform(-900, length + 900) // unit for _ in range(2))
        start, end = (begun + timedelta(seconds=edge * unit) for edge in edges)
        spans.append(Range(start, end))
    for span in spans:
        for by in ((), *((each,) for each in Dimension), tuple(Dimension)):
            assert found(chosen, span, *by) == expected(lines, span, by)
    for dimension in Dimension:
        subject = chance.choice(lines)[1][dimension]
        narrowed = chosen.narrowed(dimension, subject)  # type: ignore[arg-type]
        only = {dimension.value: subject}
        by = (Dimension.MODEL,)
        assert found(narrowed, spans[0], *by) == expected(lines, spans[0], by, **only)
    assert list(wrong_days()) == []


@pytest.mark.parametrize("zone", BEGINNINGS)
def test_every_sum_is_what_the_ledger_booked(
    customer: Payer, clock: Clock, zone: str
) -> None:
    clock.moment = BEGINNINGS[zone]
    spending, chance = Spending.begin(customer, clock, seed=7), Random(7)
    budgets.set_time_zone(customer.account_id, zone)
    for _ in range(2):
        spending.go_on(30)
        make_days(customer.account_id, steps=chance.randint(0, 9))
        check(spending, zone, chance)
    make_days(customer.account_id)
    assert UsageDay.objects.filter(account_id=customer.account_id).exists()
    check(spending, zone, chance)
    # All together it is what left the credits for the usage account, and what of it
    # came back: the operator's part of its balance is not the customer's.
    account = Account.objects.get(id=customer.account_id)
    entries = Entry.objects.filter(account_id=account.id)
    booked = entries.filter(transfer__kind__in=["usage", "refund"])
    everything = Range(BEGINNINGS[zone], clock.moment + timedelta(seconds=1))
    charged = usage.total(Chosen(account.id), everything).charged_micros
    assert charged == -sum(entry.amount_micros for entry in booked)


def test_days_of_another_time_zone_are_not_used_until_they_are_made_again(
    customer: Payer, clock: Clock
) -> None:
    spending = Spending.begin(customer, clock, seed=3)
    spending.go_on(40)
    make_days(customer.account_id)
    before = list(UsageDay.objects.filter(cut="total").values_list("day", flat=True))
    budgets.set_time_zone(customer.account_id, "Asia/Kathmandu")
    for _ in range(4):  # while they are deleted and made
        check(spending, "Asia/Kathmandu", Random(3))
        check(spending, "UTC", Random(3))
        make_days(customer.account_id, steps=1)
    make_days(customer.account_id)
    check(spending, "Asia/Kathmandu", Random(4))
    assert UsageDays.objects.get(account_id=customer.account_id).until is not None
    after = UsageDay.objects.filter(account_id=customer.account_id, cut="total")
    assert list(after.values_list("day", flat=True)) != before


def test_what_the_worker_adds_meanwhile_counts_once(
    customer: Payer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    spending = Spending.begin(customer, clock, seed=5)
    spending.go_on(30)
    account_id, read = customer.account_id, usage._state

    def read_and_add(account: int) -> usage.State:
        state = read(account)
        usage_days.add_next(account_id)
        return state

    span = periods.last_days("UTC", 3)
    wanted = expected(lines_of(account_id), span, (Dimension.MODEL,))
    monkeypatch.setattr(usage, "_state", read_and_add)
    assert found(Chosen(account_id), span, Dimension.MODEL) == wanted
    assert UsageDays.objects.get(account_id=account_id).until is not None


def test_one_key_alone_and_nobodys(customer: Payer, clock: Clock) -> None:
    spending = Spending.begin(customer, clock, seed=11)
    spending.go_on(40)
    make_days(customer.account_id)
    span = periods.last_days("UTC", 3)
    rows = UsageRecord.objects.filter(account_id=customer.account_id)
    sums = Counter[int]()
    for spender, micros in rows.values_list("spender_id", "charged_micros"):
        sums[spender] += micros
    for row in Correction.objects.filter(state="posted"):
        sums[row.spender_id] += row.charged_micros
    for key in spending.keys:
        alone = Chosen(customer.account_id, spender_ids=(key.id,))
        assert usage.total(alone, span).charged_micros == sums[key.id]
    nobody = Chosen(customer.account_id, spender_ids=())
    assert usage.total(nobody, span) == Figures()
    chosen = Chosen(customer.account_id).narrowed(Dimension.MODEL, "gpt")
    assert usage.total(chosen.narrowed(Dimension.MODEL, "flux"), span) == Figures()


def test_of_sessions_the_largest_are_told(customer: Payer, clock: Clock) -> None:
    spending = Spending.begin(customer, clock, seed=2)
    spending.go_on(40)
    make_days(customer.account_id, steps=2)
    spending.go_on(10)
    span = periods.last_days("UTC", 3)
    by = (Dimension.SESSION, Dimension.MODEL)
    wanted = expected(lines_of(customer.account_id), span, by)
    for of in (("charged_micros",), ("prompt_tokens", "completion_tokens")):
        ranked = sorted(
            wanted,
            key=lambda group: (
                -sum(getattr(wanted[group], name) for name in of),
                *map(str, group),
            ),
        )
        largest = Largest(4, of)
        told = usage.figures(Chosen(customer.account_id), [span], by, largest=largest)
        told_groups = {group[1]: used for group, used in told.items()}
        assert told_groups == {group: wanted[group] for group in ranked[:4]}


@pytest.mark.once
@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", date(2020, 3, 8), 23),
        ("America/New_York", date(2020, 11, 1), 25),
        ("Asia/Kathmandu", date(2020, 3, 8), 24),
        ("Australia/Lord_Howe", date(2020, 4, 5), 25),
    ],
)
def test_a_day_that_clocks_change_has_its_hours(
    zone: str, day: date, hours: int
) -> None:
    span = periods.days(zone, day, day)
    slots = periods.buckets(span, Bucket.HOUR, zone)
    assert len(slots) == hours
    assert (slots[0].start, slots[-1].end) == (span.start, span.end)
    ends = zip(slots, slots[1:], strict=False)
    assert all(one.end == following.begins for one, following in ends)
    minutes = {slot.start.astimezone(ZoneInfo(zone)).minute for slot in slots}
    assert minutes == ({0, 30} if "Lord_Howe" in zone else {0})
    before = periods.previous(span, zone)
    assert before == periods.days(zone, day - periods.DAY, day - periods.DAY)


@pytest.mark.once
def test_weeks_and_months_are_cut_at_the_edges_of_the_range() -> None:
    zone = "Asia/Kolkata"
    span = periods.days(zone, date(2020, 2, 27), date(2020, 4, 2))
    months = periods.buckets(span, Bucket.MONTH, zone)
    begun = [periods.day_of(zone, slot.begins) for slot in months]
    assert begun == [date(2020, 2, 1), date(2020, 3, 1), date(2020, 4, 1)]
    assert [slot.is_whole for slot in months] == [False, True, False]
    weeks = periods.buckets(span, Bucket.WEEK, zone)
    assert periods.day_of(zone, weeks[1].begins) == date(2020, 3, 2)
    with pytest.raises(periods.TooManyBuckets):
        periods.buckets(span, Bucket.QUARTER, zone)


@pytest.mark.parametrize(
    ("asked", "cut"),
    [
        ((), Cut.TOTAL),
        ((Dimension.KEY,), Cut.KEY),
        ((Dimension.SESSION,), Cut.SESSIONS),
        ((Dimension.PROJECT, Dimension.MODEL), Cut.MODEL_OF_PROJECT),
        ((Dimension.KEY, Dimension.PROJECT), Cut.KEY_OF_PROJECT),
        ((Dimension.KEY, Dimension.MODEL), Cut.ALL),
        ((Dimension.SESSION, Dimension.HOLDER), Cut.SESSION),
    ],
)
def test_days_are_read_from_the_shortest_list_that_tells_enough(
    asked: tuple[Dimension, ...], cut: Cut
) -> None:
    for place in range(len(asked) + 1):  # of what is asked by, some only narrows
        chosen = Chosen(1, dict.fromkeys(asked[place:], (1,)))
        assert _Question(chosen, asked[:place], None, None)._cut() == cut
