"""Time inside an account never runs back, and the database's clock decides."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections

from billing import grants, holds, leases
from billing.ledger import dialect
from billing.models import Account, Entry, Hold, Lease, Transfer, UsageRecord
from billing.values import clock as clocks
from billing.verification.report import verify
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.locks import ledger_locked
from tests.support.ledger.payers import Payer, wrong_in_the_ledger
from tests.support.waiting import wait_for

HOUR = timedelta(hours=1)


def test_a_clock_set_back_does_not_set_the_account_back(
    customer: Payer, clock: Clock
) -> None:
    clock.advance(hours=1)
    customer.call(10)
    clock.moment = START
    hold_id = customer.call(10)

    entries = Entry.objects.filter(account_id=customer.account_id)
    times = list(entries.order_by("version").values_list("created_at", flat=True))
    assert times == [START, START + HOUR, START + HOUR]
    hold = Hold.objects.get(id=hold_id)
    record = UsageRecord.objects.get(hold_id=hold_id)
    assert {hold.placed_at, hold.changed_at, record.settled_at} == {START + HOUR}
    assert wrong_in_the_ledger() == []


def test_one_organizations_time_is_not_anothers(
    customer: Payer, stranger: Payer, clock: Clock
) -> None:
    clock.advance(hours=1)
    customer.call(10)
    clock.moment = START
    orders = [customer.order(5), stranger.order(5)]
    holds.commit(orders)

    placed = [Hold.objects.get(id=order.hold_id).placed_at for order in orders]
    assert placed == [START + HOUR, START]


def test_the_operators_accounts_never_run_back_either(
    customer: Payer, stranger: Payer, clock: Clock
) -> None:
    before = Account.objects.get(kind="absorbed").last_entry_at or START
    clock.moment = before + 2 * HOUR
    customer.settle(customer.hold(100), 110)
    clock.moment = before + HOUR
    stranger.settle(stranger.hold(100), 110)

    [borne] = Transfer.objects.filter(
        kind="absorb", destination__tenant=stranger.account_id
    )
    assert borne.created_at == before + HOUR  # when the organization's call ended
    entry = borne.entries.get(account__kind="absorbed")
    assert entry.created_at == before + 2 * HOUR
    assert wrong_in_the_ledger() == []


def test_an_account_knows_the_time_of_its_last_entry(
    customer: Payer, clock: Clock
) -> None:
    clock.advance(hours=1)
    hold_id = customer.hold(10)
    account = Account.objects.filter(id=customer.account_id)
    assert account.get().last_entry_at == START  # a hold is no entry
    customer.settle(hold_id, 10)
    assert account.get().last_entry_at == START + HOUR


# --- whose clock decides ----------------------------------------------------------


@pytest.fixture
def fast_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose own clock is 40 seconds ahead."""
    ahead = timedelta(seconds=40)
    monkeypatch.setattr(clocks, "now", lambda: datetime.now(UTC) + ahead)


@pytest.mark.postgres_only
def test_the_databases_clock_stamps_and_decides(db: None, fast_clock: None) -> None:
    now = datetime.now(UTC)
    customer = Payer.open(credits=100)
    grant = customer.grant(50, expires_at=now + timedelta(seconds=30))
    soon = now + timedelta(seconds=30)
    lease = Lease.objects.create(id=uuid.uuid4(), expires_at=soon)
    hold_id = customer.hold(120, due_at=soon, lease_id=lease.id.hex)

    assert holds.sweep(in_doubt_after=HOUR)["doubted"] == 0
    assert grants.expire_due() == 0
    customer.settle(hold_id, 120)
    for moment in (
        grant.created_at,
        Hold.objects.get(id=hold_id).placed_at,
        UsageRecord.objects.get(hold_id=hold_id).settled_at,
    ):
        assert abs(moment - now) < timedelta(seconds=20)


@pytest.mark.postgres_only
def test_a_hold_is_stale_by_the_databases_clock(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is due now, as a process whose clock is six minutes ahead sees it."""
    customer = Payer.open(credits=100)
    due_at = datetime.now(UTC)
    hold_id = customer.hold(10, due_at=due_at)

    def is_stale() -> bool:
        found = [each for each in verify().findings if each.code == "STALE_HOLD"]
        return any(hold_id in each.detail.replace("-", "") for each in found)

    monkeypatch.setattr(clocks, "now", lambda: datetime.now(UTC) + timedelta(minutes=6))
    assert not is_stale()
    Hold.objects.filter(id=hold_id).update(due_at=due_at - timedelta(minutes=6))
    assert is_stale()


@pytest.mark.postgres_only
def test_a_lease_is_renewed_by_the_databases_clock(db: None, fast_clock: None) -> None:
    lease_id = uuid.uuid4()
    leases.renew(lease_id, label="gateway", seconds=0)

    assert abs(Lease.objects.get(id=lease_id).expires_at - datetime.now(UTC)) < (
        timedelta(seconds=20)
    )


@pytest.mark.postgres_only
def test_the_time_is_read_after_the_lock_was_waited_for(committed_db: None) -> None:
    customer = Payer.open(credits=100)
    hold_id = customer.hold(10)
    with ledger_locked(customer.account_id) as release:
        settling = threading.Thread(target=settle_and_close, args=(customer, hold_id))
        settling.start()
        assert wait_for(somebody_waits_for_a_lock)
        let_go = dialect.now()
        release.set()
        settling.join()

    assert UsageRecord.objects.get(hold_id=hold_id).settled_at > let_go


def settle_and_close(customer: Payer, hold_id: str) -> None:
    customer.settle(hold_id, 10)
    connections.close_all()


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


def test_the_hook_is_what_tests_move(clock: Clock) -> None:
    assert dialect.now() == START
    assert dialect.now_parameter() == dialect.moment(START)
