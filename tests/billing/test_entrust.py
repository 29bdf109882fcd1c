"""A call that became a job: its hold leaves the process that made it, and may grow."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from billing import accounts, holds, leases
from billing.ledger import commit as ledger
from billing.ledger import dialect
from billing.ledger.pipeline import Row, Statement
from billing.models import Hold
from billing.values import errors
from billing.values.orders import (
    Doubt,
    Entrust,
    Entrusted,
    Order,
    Placed,
    Resolved,
    Settle,
)
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import Payer, committed, used, wrong_in_the_ledger

HOUR = timedelta(hours=1)
NOTHING = {"doubted": 0, "closed": 0}


@pytest.fixture
def lease_id(clock: Clock, db: None) -> uuid.UUID:
    """A process's lease of 45 seconds."""
    lease_id = uuid.uuid4()
    leases.renew(lease_id, label="gateway", seconds=45)
    return lease_id


def pins(hold_id: str) -> list[int]:
    """How much of each grant is held, in the order in which they would pay."""
    return [micros for _, micros in Hold.objects.get(id=hold_id).pins]


# --- time ------------------------------------------------------------------------


def test_a_job_outlives_the_process_that_began_it(
    customer: Payer, clock: Clock, lease_id: uuid.UUID
) -> None:
    hold_id = customer.hold(30, lease_id=lease_id.hex)
    customer.entrust(hold_id, 30, START + HOUR)
    leases.give_up(lease_id)
    clock.advance(hours=1)
    assert holds.sweep(in_doubt_after=HOUR) == NOTHING

    clock.advance(seconds=1)
    assert holds.sweep(in_doubt_after=HOUR) == {"doubted": 1, "closed": 0}


@pytest.mark.parametrize(
    ("due_at", "later"), [(START, START + HOUR), (START + 2 * HOUR, START + 2 * HOUR)]
)
def test_the_later_of_both_times_counts(
    customer: Payer, due_at: datetime, later: datetime, lease_id: uuid.UUID
) -> None:
    hold_id = customer.hold(30, due_at=START + HOUR, lease_id=lease_id.hex)
    customer.entrust(hold_id, 30, due_at)

    hold = Hold.objects.get(id=hold_id)
    assert (hold.lease_id, hold.due_at, hold.state) == (None, later, "open")
    assert hold.changed_at is None


def test_a_sweep_that_looked_before_leaves_the_job_alone(
    customer: Payer, clock: Clock, lease_id: uuid.UUID
) -> None:
    under_lease = customer.hold(30, lease_id=lease_id.hex)
    overdue = customer.hold(30, due_at=START)
    clock.advance(seconds=46)
    doubts = [
        Doubt(hold_id, customer.account_id, "caller_died", True, lease)
        for hold_id, lease in ((under_lease, lease_id.hex), (overdue, None))
    ]
    for doubt in doubts:  # and only then does the sweep get to write
        customer.entrust(doubt.hold_id, 30)
    for doubt in doubts:
        spared = committed(doubt)
        assert isinstance(spared, Resolved)
        assert (spared.state, spared.repeat) == ("open", True)

    clock.advance(days=2)
    assert isinstance(committed(doubts[0]), Resolved)
    assert Hold.objects.get(id=under_lease).state == "in_doubt"


# --- credits ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bound", "held"), [(0, 30), (30, 30), (31, 31), (100, 100), (101, 30)]
)
def test_the_hold_is_raised_if_there_is_enough_and_never_lowered(
    customer: Payer, bound: int, held: int
) -> None:
    hold_id = customer.hold(30)

    assert customer.entrust(hold_id, bound) == Entrusted(hold_id, held, 100 - held)
    assert customer.figures() == (100, held, 100 - held)
    assert pins(hold_id) == [held]
    assert wrong_in_the_ledger() == []


def test_the_bound_is_at_the_factor_of_the_hold(db: None) -> None:
    customer = Payer.open(credits=100, price_factor_ppm=1_500_000)
    hold_id = customer.hold(10)

    assert customer.entrust(hold_id, 31).held_micros == 47


def test_a_raise_burns_in_order_and_each_lot_keeps_its_place(
    customer: Payer,
) -> None:
    customer.grant(20, priority=10)
    first = customer.hold(20)  # all of what burns first …
    hold_id = customer.hold(40)
    customer.release(first)  # … which is free again now
    customer.grant(50)
    assert pins(hold_id) == [40]

    customer.entrust(hold_id, 150)
    assert pins(hold_id) == [100, 20, 30]
    assert customer.lots() == [(100, 100), (20, 20), (50, 30)]
    customer.settle(hold_id, 110)
    assert customer.lots() == [(0, 0), (10, 0), (50, 0)]
    assert wrong_in_the_ledger() == []


def test_a_raise_takes_nothing_that_has_expired(customer: Payer, clock: Clock) -> None:
    customer.grant(50, expires_at=START + HOUR)
    hold_id = customer.hold(30)
    clock.advance(hours=1)

    assert customer.entrust(hold_id, 131).held_micros == 30
    assert customer.entrust(hold_id, 130).held_micros == 130
    assert pins(hold_id) == [30, 100]


def test_what_could_not_be_raised_is_an_overrun(customer: Payer) -> None:
    hold_id = customer.hold(30)
    beside = customer.hold(60)
    assert customer.entrust(hold_id, 80).held_micros == 30

    settled = customer.settle(hold_id, 80)
    assert (settled.charged_micros, settled.absorbed_micros) == (40, 40)
    customer.settle(beside, 60)
    assert customer.figures() == (0, 0, 0)
    assert wrong_in_the_ledger() == []


def test_the_job_of_a_suspended_customer_is_still_raised(customer: Payer) -> None:
    hold_id = customer.hold(30)
    accounts.suspend(customer.account_id)

    assert customer.entrust(hold_id, 50).held_micros == 50


# --- again, too late, unknown ------------------------------------------------------


def test_once_more_changes_nothing_more(customer: Payer) -> None:
    hold_id = customer.hold(30)
    first = customer.entrust(hold_id, 50)

    assert customer.entrust(hold_id, 50) == first
    assert pins(hold_id) == [50]
    assert customer.entrust(hold_id, 60).held_micros == 60


@pytest.mark.parametrize("end", ["release", "settle"])
def test_a_hold_that_has_ended_is_a_repeat(
    customer: Payer, end: str, lease_id: uuid.UUID
) -> None:
    hold_id = customer.hold(30, due_at=START, lease_id=lease_id.hex)
    more = {"settle": (30,)}.get(end, ())
    getattr(customer, end)(hold_id, *more)
    before = (customer.figures(), Hold.objects.values().get(id=hold_id))

    entrusted = customer.entrust(hold_id, 90)
    assert (entrusted.held_micros, entrusted.repeat) == (30, True)
    assert (customer.figures(), Hold.objects.values().get(id=hold_id)) == before


def test_nobody_entrusts_what_is_not_theirs(customer: Payer, stranger: Payer) -> None:
    hold_id = customer.hold(30)
    for owner, name in ((stranger, hold_id), (customer, uuid.uuid4().hex)):
        outcome = committed(Entrust(name, owner.account_id, START + HOUR, 90))
        assert isinstance(outcome, errors.UnknownHold)
    assert (customer.figures(), stranger.figures()) == ((100, 30, 70), (100, 0, 100))


@pytest.mark.parametrize("bound", [-1, 2**70])
def test_a_senseless_bound_is_rejected(customer: Payer, bound: int) -> None:
    hold_id = customer.hold(30)
    order = Entrust(hold_id, customer.account_id, START + HOUR, bound)

    assert type(committed(order)) is errors.LedgerError
    assert customer.figures() == (100, 30, 70)


# --- in one transaction ------------------------------------------------------------


def test_a_whole_job_in_one_batch(customer: Payer, lease_id: uuid.UUID) -> None:
    place = customer.order(10, lease_id=lease_id.hex, due_at=START + HOUR)
    job = (place.hold_id, customer.account_id)
    outcomes = holds.commit(
        [
            place,
            Entrust(*job, START, 40),
            Entrust(*job, START + 3 * HOUR, 70),
            Entrust(*job, START + 2 * HOUR, 101),
            Settle(*job, used(65)),
            Entrust(*job, START + 9 * HOUR, 80),
        ]
    )

    assert isinstance(outcomes[0], Placed)
    assert outcomes[1:4] == [
        Entrusted(place.hold_id, 40, 60),
        Entrusted(place.hold_id, 70, 30),
        Entrusted(place.hold_id, 70, 30),
    ]
    assert isinstance(outcomes[4], Resolved)
    assert outcomes[5] == Entrusted(place.hold_id, 70, 35, repeat=True)
    hold = Hold.objects.get(id=place.hold_id)
    assert (hold.lease_id, hold.due_at) == (None, START + 3 * HOUR)
    assert (hold.state, hold.amount_micros) == ("settled", 70)
    assert customer.figures() == (35, 0, 35)
    assert wrong_in_the_ledger() == []


def test_a_new_job_in_one_batch_leaves_its_process(
    customer: Payer, clock: Clock, lease_id: uuid.UUID
) -> None:
    place = customer.order(10, lease_id=lease_id.hex, due_at=START)
    entrust = Entrust(place.hold_id, customer.account_id, START + HOUR, 20)
    holds.commit([place, entrust])
    clock.advance(seconds=46)

    assert holds.sweep(in_doubt_after=HOUR) == NOTHING
    assert pins(place.hold_id) == [20]
    assert wrong_in_the_ledger() == []


def test_it_takes_credits_and_so_comes_after_what_frees_them(
    customer: Payer,
) -> None:
    entrust = Entrust("", 0, START, 0)
    place = customer.order(1)
    settle = Settle("", 0, used(1))

    orders: list[Order[object]] = [entrust, place, settle]
    assert sorted(orders, key=ledger.needs_credits) == [
        settle,
        entrust,
        place,
    ]


def test_calls_that_become_no_jobs_pay_nothing_for_it(
    customer: Payer, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    run_all = dialect.run_all

    def noted(statements: Sequence[Statement]) -> list[list[Row]]:
        written.extend(each[0] for each in statements)
        return run_all(statements)

    monkeypatch.setattr(dialect, "run_all", noted)
    customer.call(10)
    assert len([text for text in written if "UPDATE billing_hold " in text]) == 1
    written.clear()
    customer.entrust(customer.hold(10), 10)
    assert len([text for text in written if "UPDATE billing_hold " in text]) == 1
