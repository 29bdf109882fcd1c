"""Calls in flight at the same moment share a transaction, and nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest
from django.db import connections

from billing.ledger.writer import BATCH_MAX, Writer, writer
from billing.models import Hold
from billing.values import errors
from billing.values.orders import Order, Place, Placed, Release, Resolved
from tests.support.ledger.locks import cut_who_waits, ledger_locked
from tests.support.ledger.payers import Payer

# Its thread is the process's; a writer more for each test would use up the pool.
pytestmark = pytest.mark.usefixtures("committed_db")


@pytest.fixture
def customer(committed_db: None) -> Payer:
    return Payer.open(credits=10_000)


async def submit_all(orders: list[Any]) -> list[Any]:
    """All at once; a refusal in place of an outcome."""
    waiting = (writer.submit(order) for order in orders)
    return await asyncio.gather(*waiting, return_exceptions=True)


def submitted(orders: list[Any]) -> list[Any]:
    return asyncio.run(submit_all(orders))


def in_one_batch(customer: Payer, orders: list[Order[Any]]) -> list[Any]:
    """Submitted while the writer is busy with an earlier order."""

    async def run() -> list[Any]:
        with ledger_locked(customer.account_id) as release:
            writer._last_batch = 0
            earlier = asyncio.create_task(writer.submit(customer.order(0)))
            while writer._last_batch != 1:  # it has taken that one, and none with it
                await asyncio.sleep(0.01)
            together = asyncio.create_task(submit_all(orders))
            while writer._queue.qsize() != len(orders):
                await asyncio.sleep(0.01)
            assert not earlier.done()
            release.set()
            await earlier
            return await together

    return asyncio.run(run())


def batches(orders: list[Place]) -> Counter[Any]:
    """How many of these holds each transaction wrote; it reads the clock once."""
    holds = Hold.objects.filter(id__in=[order.hold_id for order in orders])
    return Counter(holds.values_list("placed_at", flat=True))


def test_what_queues_behind_a_commit_is_one_transaction(customer: Payer) -> None:
    orders = [customer.order(1) for _ in range(100)]
    outcomes = in_one_batch(customer, list(orders))

    assert all(isinstance(outcome, Placed) for outcome in outcomes)
    assert [outcome.hold_id for outcome in outcomes] == [o.hold_id for o in orders]
    assert list(batches(orders).values()) == [100]


def test_a_transaction_has_its_greatest_size(customer: Payer) -> None:
    orders = [customer.order(1) for _ in range(BATCH_MAX + 40)]
    in_one_batch(customer, list(orders))

    assert sorted(batches(orders).values()) == [40, BATCH_MAX]


def test_a_lonely_call_does_not_wait_for_company(customer: Payer) -> None:
    order = customer.order(1)
    assert isinstance(submitted([order])[0], Placed)

    assert list(batches([order]).values()) == [1]


def test_a_refused_order_leaves_its_neighbours_alone(customer: Payer) -> None:
    orders = [customer.order(each) for each in (4000, 7000, 6000, 1)]
    outcomes = in_one_batch(customer, list(orders))

    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [Placed, errors.CreditsOnHold, Placed, errors.CreditsOnHold]
    assert customer.figures() == (10_000, 10_000, 0)


@pytest.mark.parametrize(
    "poison", [{"due_at": None}, {"model": "\ud800"}, {"bound_micros": 2**70}]
)
def test_an_order_that_the_database_rejects_is_isolated(
    customer: Payer, poison: dict[str, Any]
) -> None:
    good = [customer.order(1) for _ in range(6)]
    bad = customer.order(**{"bound_micros": 1, **poison})
    outcomes = in_one_batch(customer, [*good[:3], bad, *good[3:]])

    assert type(outcomes.pop(3)) is errors.LedgerError
    assert all(isinstance(outcome, Placed) for outcome in outcomes)
    assert customer.figures() == (10_000, 6, 9994)


def test_after_a_rejection_everything_goes_on(customer: Payer) -> None:
    for _ in range(3):
        rejected = submitted([customer.order(1, due_at=None)])
        assert [type(outcome) for outcome in rejected] == [errors.LedgerError]
        outcomes = [submitted([customer.order(1)])[0] for _ in range(4)]
        assert all(isinstance(outcome, Placed) for outcome in outcomes)
    assert customer.figures() == (10_000, 12, 9988)


def test_what_a_batch_frees_its_holds_can_have(customer: Payer) -> None:
    hold_id = customer.hold(10_000)
    release = Release(hold_id, customer.account_id, "upstream_refused")
    placed, released = in_one_batch(customer, [customer.order(10_000), release])

    assert isinstance(released, Resolved)
    assert isinstance(placed, Placed)


def test_nothing_is_acknowledged_before_others_can_read_it(customer: Payer) -> None:
    def is_stored(order: Place) -> bool:
        try:
            return Hold.objects.filter(id=order.hold_id).exists()
        finally:
            connections.close_all()

    async def run() -> list[bool]:
        seen = []
        for _ in range(25):
            order = customer.order(1)
            await writer.submit(order)
            seen.append(await asyncio.to_thread(is_stored, order))
        return seen

    assert asyncio.run(run()) == [True] * 25


def test_a_caller_that_went_away_disturbs_nobody(customer: Payer) -> None:
    gone, stays = customer.order(1), customer.order(1)

    async def leave() -> None:
        with ledger_locked(customer.account_id):
            task = asyncio.create_task(writer.submit(gone))
            await asyncio.sleep(0.05)
            task.cancel()

    asyncio.run(leave())  # its event loop is closed when the outcome comes
    assert isinstance(submitted([stays])[0], Placed)
    assert sum(batches([gone, stays]).values()) == 2


def test_each_event_loop_gets_its_own_outcomes(customer: Payer) -> None:
    orders = [[customer.order(1) for _ in range(20)] for _ in range(6)]
    outcomes: list[list[Any]] = [[] for _ in orders]

    def work(number: int) -> None:
        outcomes[number] = submitted(orders[number])

    threads = [threading.Thread(target=work, args=[n]) for n in range(len(orders))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = [[outcome.hold_id for outcome in each] for each in outcomes]
    assert found == [[order.hold_id for order in each] for each in orders]
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("ledger-writer") <= 2  # and that of the broken-ledger test


def test_when_the_ledger_is_gone_callers_are_told_and_later_ones_served(
    committed_db: None, customer: Payer, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = connections.settings["default"]["OPTIONS"]
    if connections["default"].vendor == "sqlite":
        monkeypatch.setitem(options, "timeout", 0.2)  # for connections yet to be made
    own, lost = Writer(), [customer.order(1) for _ in range(3)]

    async def lose() -> list[Any]:
        with ledger_locked(customer.account_id):
            waiting = [asyncio.create_task(own.submit(order)) for order in lost]
            while not all(task.done() for task in waiting):
                await asyncio.sleep(0.1)
                await asyncio.to_thread(cut_who_waits)
            return await asyncio.gather(*waiting, return_exceptions=True)

    outcomes = asyncio.run(lose())
    assert {type(outcome) for outcome in outcomes} == {errors.LedgerUnavailable}
    assert not batches(lost)
    assert isinstance(asyncio.run(own.submit(customer.order(1))), Placed)
