"""Statements: opening + top-ups + grants − usage − expiry ± corrections = closing, and
Σ days × keys × models = total = ledger, over random histories in three time zones.

STATEMENT_HISTORIES (default 1) is how many random histories there are of each zone.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db import DatabaseError, transaction

from billing import corrections, statements
from billing.models import Account, Correction, Entry, Event, Statement, Transfer
from billing.models.correction import CorrectionKind
from billing.reports.day_lines import day_lines
from billing.reports.months import month_of
from billing.reports.periods import Range
from billing.reports.usage import Chosen
from billing.statements import NotClosable
from billing.values.digests import chained
from tests.support.ledger.clocks import Clock
from tests.support.ledger.lively import Lively
from tests.support.ledger.payers import Payer

HISTORIES = int(os.environ.get("STATEMENT_HISTORIES", "1"))
# Half-hour and quarter-hour offsets; a change of the clocks in the middle of each.
BEGINS = {
    "America/St_Johns": datetime(2026, 2, 25, 20, 3, 7),
    "Asia/Kathmandu": datetime(2026, 12, 20, 21, 40),
    "Europe/Berlin": datetime(2026, 3, 20, 18, 59, 59),
}
PARTS = ("top_ups", "grants", "corrections")
TAKEN = ("usage", "expiry")


def lived(clock: Clock, zone: str, seed: int, *, steps: int = 110) -> Lively:
    """About two months."""
    begins = BEGINS[zone].replace(tzinfo=ZoneInfo(zone))
    history = Lively.open(clock, seed=seed, begins=begins)
    Account.objects.filter(id=history.account_id).update(time_zone=zone)
    history.live(steps, most_minutes=24 * 60)
    return history


def document_of(of: Statement) -> dict[str, int]:
    found: dict[str, int] = json.loads(of.figures)
    return found


def by_hand(account_id: int, since: datetime, until: datetime) -> Counter[str]:
    """Added up from the entries one by one, without any report."""
    sums: Counter[str] = Counter()
    rows = Entry.objects.filter(account_id=account_id).select_related("transfer__grant")
    for entry in rows.filter(created_at__gte=since, created_at__lt=until):
        of: Transfer = entry.transfer
        match of.kind:
            case "grant":
                bought = of.grant.source == "purchase"
                name = "top_ups" if bought else "grants"
            case "credit":
                name = "corrections" if of.hold_id else "grants"
            case "usage" if of.correction_id is None:
                name = "usage"
            case "expire":
                name = "expiry"
            case _:
                name = "corrections"
        sums[name] += -entry.amount_micros if name in TAKEN else entry.amount_micros
    return sums


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(HISTORIES))
@pytest.mark.parametrize("zone", BEGINS)
def test_months_of_a_random_history_add_up(clock: Clock, zone: str, seed: int) -> None:
    history = lived(clock, zone, seed)
    account_id, now = history.account_id, clock.moment
    last = month_of(zone, now)
    clock.advance(days=40)
    statements.close(account_id, last)
    rows = list(Statement.objects.filter(account_id=account_id, part=0))
    assert len(rows) >= 2
    opening, ended, closed = 0, rows[0].starts_at, Counter[str]()
    for number, row in enumerate(rows, start=1):
        found = document_of(row)
        assert row.number == number
        assert (row.opening_micros, row.starts_at) == (opening, ended)
        signed = sum(found[f"{name}_micros"] for name in PARTS)
        signed -= sum(found[f"{name}_micros"] for name in TAKEN)
        assert row.opening_micros + signed == row.closing_micros
        sums = by_hand(account_id, row.starts_at, row.ends_at)
        assert {name: found[f"{name}_micros"] for name in (*PARTS, *TAKEN)} == {
            name: sums[name] for name in (*PARTS, *TAKEN)
        }
        check_days(row, zone)
        check_projects(row)
        closed += sums
        opening, ended = row.closing_micros, row.ends_at
    assert opening == Account.objects.get(id=account_id).balance_micros
    # Nothing was left out by chance.
    assert {"top_ups", "grants", "usage"} <= set(closed)


def check_days(row: Statement, zone: str) -> None:
    """Σ days × keys × models is what the statement says, and the ledger."""
    span = Range(row.starts_at, row.ends_at)
    lines = list(day_lines(Chosen(row.account_id), span, zone))
    assert all(row.starts_at <= line.span.start < row.ends_at for line in lines)
    charged = sum(line.used.charged_micros for line in lines)
    assert charged == json.loads(row.figures)["charged_micros"]
    usage = Account.objects.get(id=row.account_id).usage_account_id
    booked = Transfer.objects.filter(
        created_at__gte=row.starts_at, created_at__lt=row.ends_at
    )
    paid = booked.filter(source_id=row.account_id, destination_id=usage)
    back = booked.filter(source_id=usage, destination_id=row.account_id)
    ledger = sum(each.amount_micros for each in paid)
    assert charged == ledger - sum(each.amount_micros for each in back)


def check_projects(row: Statement) -> None:
    """Those of the projects add up to the organization's."""
    parts = Statement.objects.filter(
        account_id=row.account_id, number=row.number, part__gt=0
    ).order_by("part")
    assert [each.part for each in parts] == list(range(1, len(parts) + 1))
    charged = 0
    for each in parts:
        found = document_of(each)
        assert each.opening_micros + found["usage_micros"] == each.closing_micros
        charged += found["usage_micros"]
    assert charged == json.loads(row.figures)["charged_micros"]


def next_month(customer: Payer, clock: Clock) -> str:
    """Into the next month; the one that is over."""
    month = clock.moment.strftime("%Y-%m")
    clock.advance(days=32)
    return month


def test_a_closed_month_is_closed_once_and_told_once(
    customer: Payer, clock: Clock
) -> None:
    customer.call(30)
    month = next_month(customer, clock)
    [first] = statements.close(customer.account_id, month)
    customer.call(10)
    [again] = statements.close(customer.account_id, month)
    assert (again.id, again.digest) == (first.id, first.digest)
    assert first.closing_micros == 70
    told = Event.objects.filter(account_id=customer.account_id)
    assert [event.type for event in told] == ["statement.closed"]


def test_what_is_corrected_later_stands_in_the_next_statement(
    customer: Payer, clock: Clock
) -> None:
    call = customer.call(30)
    month = next_month(customer, clock)
    [before] = statements.close(customer.account_id, month)
    kind = CorrectionKind.REFUND
    corrections.post(UUID(call), kind, 12, reference="r", reason="broken")
    assert Correction.objects.count() == 1
    following = next_month(customer, clock)
    [after] = statements.close(customer.account_id, following)
    assert document_of(before)["corrections_micros"] == 0
    assert document_of(after)["corrections_micros"] == 12
    assert (after.opening_micros, after.closing_micros) == (70, 82)
    assert after.previous == before.digest
    assert after.digest == chained(before.digest, after.figures)


def test_numbers_have_no_gap_when_months_were_left_open(
    customer: Payer, clock: Clock
) -> None:
    for _ in range(3):
        customer.call(5)
        month = next_month(customer, clock)
    statements.close(customer.account_id, month)
    rows = Statement.objects.filter(account_id=customer.account_id).order_by("number")
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert [row.month for row in rows] == sorted({row.month for row in rows})


def test_another_time_zone_leaves_no_hour_out_and_none_twice(
    customer: Payer, clock: Clock
) -> None:
    customer.call(5)
    month = next_month(customer, clock)
    [before] = statements.close(customer.account_id, month)
    Account.objects.filter(id=customer.account_id).update(time_zone="Asia/Tokyo")
    following = next_month(customer, clock)
    [after] = statements.close(customer.account_id, following)
    assert after.starts_at == before.ends_at
    assert (before.zone, after.zone) == ("UTC", "Asia/Tokyo")


@pytest.mark.parametrize(
    ("month", "error"),
    [
        ("2020-13", ValueError),
        ("", ValueError),
        ("2020-2", ValueError),
        ("2019-01", NotClosable),
        ("2020-02", NotClosable),  # it runs
        ("2031-01", NotClosable),
    ],
)
def test_a_month_that_cannot_be_closed_writes_nothing(
    customer: Payer, month: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        statements.close(customer.account_id, month)
    assert not Statement.objects.exists()


def test_nobody_changes_a_statement(customer: Payer, clock: Clock) -> None:
    month = next_month(customer, clock)
    statements.close(customer.account_id, month)
    rows = Statement.objects.filter(account_id=customer.account_id)
    for change in (lambda: rows.update(closing_micros=1), lambda: rows.delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
