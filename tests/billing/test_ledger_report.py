"""The ledger as it is shown: every entry once, by reason and range, and what it adds
up to."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from random import Random

import pytest

from billing import amendments
from billing.amendments import Amended
from billing.models import Entry, Transfer
from billing.reports import entries, ledger
from billing.reports.entries import LedgerLine
from billing.reports.explain import Why, why_of
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import Payer
from tests.support.ledger.spending import Spending

WORD = amendments.Why


@pytest.fixture
def spent(customer: Payer, stranger: Payer, clock: Clock) -> Spending:
    """Calls, corrections, refunds, credits that come, go and expire together."""
    spending = Spending.begin(customer, clock, seed=11)
    until = clock.moment + timedelta(hours=2)
    for micros in range(1, 8):  # all of them lapse in one instant
        customer.grant(micros, expires_at=until)
    spending.go_on(20)
    amendments.credit(customer.account_id, 50, WORD("c", "test", "operator"))
    _is_amended(
        amendments.debit(customer.account_id, 20, WORD("d", "test", "operator"))
    )
    spending.go_on(20)
    Spending.begin(stranger, clock, seed=12).go_on(5)
    return spending


def _is_amended(done: Amended) -> None:
    assert done.moved_micros == -20


def _by_hand(found: ledger.Span, why: Why | None) -> list[int]:
    """The versions of one reason in the range, the latest first."""
    rows = Entry.objects.filter(account_id=found.account_id)
    rows = rows.filter(created_at__gte=found.since, created_at__lt=found.until)
    lines = entries.lines_at(
        found.account_id, list(rows.values_list("version", flat=True))
    )
    return [line.version for line in lines[::-1] if why in (None, _why(line))]


def _why(line: LedgerLine) -> Why:
    return why_of(line.kind, line.source or None, line.correction or None)


def _pages(found: ledger.Span, why: Why | None, size: int) -> list[int]:
    versions: list[int] = []
    below = None
    while lines := ledger.page(found, size, why=why, below=below):
        versions += [line.version for line in lines]
        below = lines[-1].version
    return versions


def test_each_entry_is_on_one_page_of_its_reason_and_they_add_up(
    spent: Spending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "CHUNK", 7)
    account_id = spent.payer.account_id
    moments = sorted(
        Transfer.objects.filter(source_id=account_id).values_list(
            "created_at", flat=True
        )
    )
    chance = Random(3)
    seen: Counter[Why] = Counter()
    for _ in range(3):
        since, until = sorted(chance.sample(moments, 2))
        found = ledger.span(account_id, since, until)
        reasons = {line.why: line for line in ledger.reasons(found)}
        total = sum(line.amount_micros for line in reasons.values())
        assert total == found.difference_micros
        for why in (None, *Why):
            expected = _by_hand(found, why)
            assert _pages(found, why, 5) == expected, (why, since, until)
            chunked = [x.version for c in ledger.chunks(found, why) for x in c]
            assert chunked == expected
            if why is None:
                continue
            lines = entries.lines_at(account_id, expected)
            amount = sum(line.amount_micros for line in lines)
            shown = reasons.get(why)
            assert (shown.amount_micros if shown else 0) == amount
            assert (shown.count if shown else 0) == len(lines)
            seen[why] += len(lines)
            if len(expected) > 6:
                above = ledger.page_above(found, 3, expected[5], why=why)
                assert [line.version for line in above] == expected[2:5]
    assert {why for why in seen if seen[why]} >= {
        *(Why.PURCHASE, Why.CREDIT, Why.USAGE, Why.CORRECTION, Why.REFUND),
        *(Why.EXPIRE, Why.DEBIT),
    }


def test_what_is_booked_in_one_instant_is_never_cut_apart(
    spent: Spending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "BEYOND", (0, 1000))
    account_id, now = spent.payer.account_id, spent.clock.moment
    found = ledger.span(account_id, now - timedelta(days=900), now)
    assert _pages(found, Why.EXPIRE, 2) == _by_hand(found, Why.EXPIRE)
