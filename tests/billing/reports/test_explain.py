"""Explained balances: opening + what happened = closing, for any two instants.

Costs about 4 s of CPU on SQLite.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db.models import Sum

from billing.models import Correction, Entry, Transfer, UsageRecord, UsageRollup
from billing.reports.entries import lines_between, position_at
from billing.reports.explain import Explanation, Why, explain
from billing.reports.holding import held_at
from billing.reports.usage import Dimension
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.lively import Lively
from tests.support.ledger.operators import amended_history
from tests.support.ledger.payers import Payer
from tests.support.ledger.teams import Team

# A day with a change of the clocks in each: forward, back, and half an hour.
DAYS = {
    "Europe/Berlin": datetime(2026, 3, 28, 20, 3, 7),
    "America/New_York": datetime(2026, 10, 31, 21, 40),
    "Australia/Lord_Howe": datetime(2026, 4, 4, 18, 59, 59),
}


def lived(clock: Clock, zone: str, *, steps: int = 130) -> Lively:
    begins = DAYS[zone].replace(tzinfo=ZoneInfo(zone))
    history = Lively.open(clock, seed=len(zone), begins=begins)
    history.live(steps, most_minutes=18)
    return history


def instants(history: Lively, zone: str) -> list[datetime]:
    """Entries' own instants and beside them, quarters, local hours of these days."""
    entries = Entry.objects.filter(account_id=history.account_id)
    times = list(entries.order_by("version").values_list("created_at", flat=True))
    chosen = history.chance.sample(times, 6)
    found = [*chosen, *(at + timedelta(microseconds=1) for at in chosen)]
    found += [at.replace(minute=15, second=0, microsecond=0) for at in chosen]
    midnight = DAYS[zone].replace(hour=0, minute=0, second=0, tzinfo=ZoneInfo(zone))
    found += [midnight + timedelta(days=day, hours=2 * day) for day in range(3)]
    return [times[0], *found, times[-1] + timedelta(seconds=1)]


def by_hand(account_id: int, since: datetime, until: datetime) -> Counter[Why]:
    """Added up from the entries one by one."""
    found: Counter[Why] = Counter()
    rows = Entry.objects.filter(account_id=account_id).select_related("transfer__grant")
    for entry in rows.filter(created_at__gte=since, created_at__lt=until):
        of: Transfer = entry.transfer
        why = of.kind
        if of.correction_id and of.kind in ("usage", "refund"):
            word = Correction.objects.get(id=of.correction_id)
            why = "refund" if word.kind == "refund" else "correction"
        elif of.kind == "grant":
            why = of.grant.source
        found[Why(why)] += entry.amount_micros
    return found


def sums(found: Explanation) -> dict[Why, int]:
    return {line.why: line.amount_micros for line in found.lines if line.amount_micros}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "zone",
    [
        # On PostgreSQL the one whose clocks change by half an hour.
        pytest.param(zone, marks=[pytest.mark.once] * (zone != "Australia/Lord_Howe"))
        for zone in DAYS
    ],
)
def test_opening_and_all_that_happened_is_closing(clock: Clock, zone: str) -> None:
    history = lived(clock, zone)
    account_id, seen = history.account_id, Counter[Why]()
    moments = instants(history, zone)
    for since in moments[::4]:
        for until in moments:
            if since >= until:
                continue
            found = explain(account_id, since, until)
            assert found.gap_micros == 0
            expected = by_hand(account_id, since, until)
            assert sums(found) == {why: n for why, n in expected.items() if n}
            for shares in found.shares.values():
                charged = sum(share.charged_micros for share in shares)
                assert charged == found.charged_micros
            seen += Counter(dict.fromkeys(sums(found), 1))
    # Nothing was left out by chance: what each zone's history lacks, another has.
    assert {Why.USAGE, Why.CORRECTION, Why.EXPIRE, Why.CLAWBACK} <= set(seen)


@pytest.mark.django_db
def test_debt_that_is_paid_is_a_reason_too(clock: Clock) -> None:
    begins = clock.moment
    account_id = amended_history()["debtor"]
    found = explain(account_id, begins, clock.moment + timedelta(seconds=1))
    assert found.gap_micros == 0
    assert sums(found)[Why.REPAYMENT] == -30
    assert sums(found) == by_hand(account_id, begins, found.until)


@pytest.mark.django_db
def test_what_was_held_at_an_instant_is_what_the_account_held_then(
    clock: Clock,
) -> None:
    history = lived(clock, "Europe/Berlin")
    for at, held in history.held:
        just_after = at + timedelta(microseconds=1)
        assert held_at(history.account_id, just_after).micros == held


@pytest.mark.django_db
def test_calls_of_a_run_are_held_for_once(clock: Clock) -> None:
    team = Team.open(credits=1000)
    run = team.run(300)
    clock.advance(minutes=1)
    call = run.hold(50)
    clock.advance(minutes=1)
    assert held_at(team.account_id, clock.moment).micros == 300
    run.settle(call, 20)
    clock.advance(minutes=1)
    assert held_at(team.account_id, clock.moment).micros == 280
    closed_at = clock.moment
    run.close()
    clock.advance(minutes=1)
    assert held_at(team.account_id, clock.moment).micros == 0
    assert held_at(team.account_id, closed_at).micros == 280


def test_a_call_in_doubt_is_said_to_be(customer: Payer, clock: Clock) -> None:
    customer.doubt(customer.hold(30))
    customer.hold(20)
    clock.advance(minutes=1)
    found = held_at(customer.account_id, clock.moment)
    assert (found.micros, found.holds, found.in_doubt_micros) == (50, 2, 30)


def test_an_entry_of_the_very_instant_belongs_to_what_comes_after(
    customer: Payer, clock: Clock
) -> None:
    at = clock.advance(minutes=1)
    customer.call(30)
    assert position_at(customer.account_id, at).balance_micros == 100
    after = position_at(customer.account_id, at + timedelta(microseconds=1))
    assert (after.version, after.balance_micros) == (2, 70)
    assert position_at(customer.account_id, START).version == 0


def test_the_usage_pages_have_the_same_sums(clock: Clock, customer: Payer) -> None:
    """Over whole quarters, as they have them; shares are named and sorted."""
    history = lived(clock, "Europe/Berlin")
    begins = START.replace(minute=0) - timedelta(days=1)
    until = clock.moment.replace(minute=45, second=0, microsecond=0)
    found = explain(history.account_id, begins, until)
    quarters = UsageRollup.objects.filter(
        account_id=history.account_id, starts_at__gte=begins, starts_at__lt=until
    )
    sums = (Sum("requests"), Sum("charged_micros"))
    rows = quarters.values_list("model").annotate(*sums)
    expected = {model: (requests, micros) for model, requests, micros in rows}
    shares = found.shares[Dimension.MODEL]
    assert {s.subject: (s.requests, s.charged_micros) for s in shares} == expected
    assert {s.label for s in found.shares[Dimension.HOLDER]} == {"alice", "bob"}
    assert UsageRecord.objects.filter(account_id=history.account_id).count() >= 10


def test_lines_continue_each_others_balance(customer: Payer, clock: Clock) -> None:
    for _ in range(4):
        clock.advance(seconds=1)
        customer.call(5)
    lines = list(lines_between(customer.account_id, 1, 4))
    assert [line.version for line in lines] == [2, 3, 4]
    assert [line.balance_micros for line in lines] == [95, 90, 85]
    assert {(line.kind, line.model) for line in lines} == {("usage", "openai/gpt-4o")}
    assert lines[0].spender_id == customer.spender_id


def test_nothing_is_explained_backwards(customer: Payer, clock: Clock) -> None:
    with pytest.raises(ValueError, match="not before"):
        explain(customer.account_id, clock.moment, clock.moment)
    with pytest.raises(LookupError):
        position_at(10**9, clock.moment)
