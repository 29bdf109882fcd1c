"""Holds that nobody answers for: due is not free, late is still exact."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from billing import holds, leases
from billing.models import Hold, Lease, UsageRecord
from billing.tasks import sweep_holds
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import Payer, doubts, wrong_in_the_ledger

HOUR = timedelta(hours=1)
NOTHING = {"doubted": 0, "closed": 0}


@pytest.fixture
def lease_id(clock: Clock, db: None) -> uuid.UUID:
    """A process's lease of 45 seconds."""
    lease_id = uuid.uuid4()
    leases.renew(lease_id, label="gateway", seconds=45)
    return lease_id


def state(hold_id: str) -> str:
    return Hold.objects.get(id=hold_id).state


def test_a_doubtful_call_keeps_its_credits(customer: Payer, clock: Clock) -> None:
    hold_id = customer.hold(30)
    clock.advance(seconds=5)
    doubted = customer.doubt(hold_id)

    assert (doubted.state, doubted.repeat) == ("in_doubt", False)
    assert customer.figures() == (100, 30, 70)
    hold = Hold.objects.get(id=hold_id)
    assert (hold.reason, hold.changed_at) == ("upstream_lost", clock.moment)
    assert customer.doubt(hold_id).repeat


@pytest.mark.parametrize("price", [0, 12, 30, 45])
def test_a_late_answer_settles_a_doubtful_call_exactly(
    customer: Payer, price: int
) -> None:
    hold_id = customer.hold(30)
    customer.doubt(hold_id)

    assert customer.settle(hold_id, price).charged_micros == price
    assert customer.figures() == (100 - price, 0, 100 - price)
    assert wrong_in_the_ledger() == []


def test_a_finished_call_is_beyond_doubt(customer: Payer) -> None:
    hold_id = customer.call(30)
    late = customer.doubt(hold_id)

    assert (late.repeat, late.state) == (True, "settled")
    assert state(hold_id) == "settled"


def test_a_hold_is_due_after_its_time_and_not_at_it(
    customer: Payer, clock: Clock
) -> None:
    hold_id = customer.hold(30, due_at=START + timedelta(seconds=10))
    clock.advance(seconds=10)
    assert holds.sweep(in_doubt_after=HOUR) == NOTHING

    clock.advance(seconds=1)
    assert holds.sweep(in_doubt_after=HOUR) == {"doubted": 1, "closed": 0}
    assert state(hold_id) == "in_doubt"
    assert Hold.objects.get(id=hold_id).reason == "caller_died"
    assert customer.figures() == (100, 30, 70)


def test_a_living_process_keeps_its_holds(
    customer: Payer, clock: Clock, lease_id: uuid.UUID
) -> None:
    hold_id = customer.hold(30, lease_id=lease_id.hex)
    for _ in range(5):
        clock.advance(seconds=40)
        leases.renew(lease_id, label="gateway", seconds=45)
        assert holds.sweep(in_doubt_after=HOUR) == NOTHING
    assert state(hold_id) == "open"


def test_the_holds_of_a_dead_process_come_to_doubt(
    customer: Payer, clock: Clock, lease_id: uuid.UUID
) -> None:
    hold_id = customer.hold(30, lease_id=lease_id.hex)
    beside = customer.hold(20)
    clock.advance(seconds=46)

    assert holds.sweep(in_doubt_after=HOUR) == {"doubted": 1, "closed": 0}
    assert (state(hold_id), state(beside)) == ("in_doubt", "open")


def test_a_lease_that_is_given_up_or_cleared_away_is_dead(
    customer: Payer, lease_id: uuid.UUID
) -> None:
    customer.hold(30, lease_id=lease_id.hex)
    leases.give_up(lease_id)

    assert holds.sweep(in_doubt_after=HOUR) == {"doubted": 1, "closed": 0}


def test_old_leases_are_cleared_away_and_living_ones_stay(
    clock: Clock, lease_id: uuid.UUID
) -> None:
    clock.advance(days=1, seconds=46)
    living = uuid.uuid4()
    leases.renew(living, label="gateway", seconds=45)
    holds.sweep(in_doubt_after=HOUR)

    found = Lease.objects.filter(id__in=[lease_id, living])
    assert [lease.id for lease in found] == [living]


def test_after_a_while_the_rule_decides_for_the_customer(
    customer: Payer, clock: Clock
) -> None:
    hold_id = customer.hold(30)
    customer.doubt(hold_id)
    clock.advance(minutes=59, seconds=59)
    assert holds.sweep(in_doubt_after=HOUR) == NOTHING

    clock.advance(seconds=1)
    assert holds.sweep(in_doubt_after=HOUR) == {"doubted": 0, "closed": 1}
    assert state(hold_id) == "released"
    assert customer.figures() == (100, 0, 100)
    record = UsageRecord.objects.get(hold_id=hold_id)
    assert (record.basis, record.charged_micros) == ("in_doubt", 0)
    assert doubts() == {hold_id: "released"}
    assert wrong_in_the_ledger() == []


def test_doubt_lasts_its_time_from_the_sweep_that_raised_it(
    customer: Payer, clock: Clock
) -> None:
    customer.hold(30)
    clock.advance(hours=9)

    assert holds.sweep(in_doubt_after=HOUR) == {"doubted": 1, "closed": 0}
    clock.advance(hours=1)
    assert holds.sweep(in_doubt_after=HOUR) == {"doubted": 0, "closed": 1}


def test_a_second_sweep_finds_nothing(customer: Payer, clock: Clock) -> None:
    for _ in range(3):
        customer.hold(10)
    clock.advance(hours=2)
    assert holds.sweep(in_doubt_after=HOUR)["doubted"] == 3
    assert holds.sweep(in_doubt_after=HOUR) == NOTHING
    clock.advance(hours=1)
    assert holds.sweep(in_doubt_after=HOUR)["closed"] == 3
    assert holds.sweep(in_doubt_after=HOUR) == NOTHING


def test_more_than_one_batch_is_swept_at_once(customer: Payer, clock: Clock) -> None:
    count = holds.SWEEP_BATCH + 1
    holds.commit([customer.order(0) for _ in range(count)])
    clock.advance(hours=2)

    swept = holds.sweep(in_doubt_after=timedelta(0))
    assert swept == {"doubted": count, "closed": count}
    assert wrong_in_the_ledger() == []


def test_the_task_sweeps_and_expires_what_has_expired(
    customer: Payer, clock: Clock
) -> None:
    customer.grant(7, expires_at=START + timedelta(minutes=1))
    customer.hold(30)
    clock.advance(hours=1)

    assert sweep_holds() == {"doubted": 1, "closed": 0, "lapsed": 0}
    clock.advance(days=1)
    assert sweep_holds() == {"doubted": 0, "closed": 1, "lapsed": 1}
    assert customer.figures() == (100, 0, 100)
