"""Which attempts at one request may be held: decided where the hold is placed."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections

from billing import attempts, holds, leases
from billing.models import Attempt
from billing.values import errors
from billing.values.ids import new_id
from billing.values.orders import AttemptMark, Placed, Release, Usage
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import Payer, committed

WINDOW_SECONDS = 900


def marked(count: int = 0, *, key: bool = False, **fields: Any) -> AttemptMark:
    """What an attempt says of itself; `fields` replace what is usual."""
    usual: dict[str, Any] = {
        "fingerprint": "1" * 32,
        "content": "2" * 32,
        "is_keyed": key,
        "retry_count": count,
        "arrived": time.monotonic(),
        "window_seconds": WINDOW_SECONDS,
    }
    return AttemptMark(**usual | fields)


def in_doubt_for_ever(customer: Payer, hold_id: str) -> None:
    """As a stream that delivered nothing is released."""
    usage = Usage(basis="in_doubt", cost_micros=0)
    committed(Release(hold_id, customer.account_id, "upstream_cut", usage))


@pytest.mark.parametrize("mark", [marked(key=True), marked(1)], ids=["key", "retry"])
def test_an_earlier_attempt_is_named_until_it_surely_was_nothing(
    customer: Payer, mark: AttemptMark
) -> None:
    first = customer.hold(10, attempt=mark)
    after = replace(mark, retry_count=mark.retry_count + 1)
    for then in (lambda _: None, customer.doubt, customer.release):
        then(first)
        again = customer.place(10, attempt=after)
        if then != customer.release:
            assert isinstance(again, errors.AttemptExists)
            assert again.hold_ids == {first}
    assert isinstance(again, Placed)


@pytest.mark.parametrize("mark", [marked(key=True), marked(1)], ids=["key", "retry"])
def test_a_charge_and_a_doubt_given_back_are_not_nothing(
    customer: Payer, mark: AttemptMark
) -> None:
    for end in (
        lambda hold_id: customer.settle(hold_id, 3),
        lambda hold_id: in_doubt_for_ever(customer, hold_id),
    ):
        other = marked(mark.retry_count, key=mark.is_keyed, fingerprint=uuid4().hex)
        end(customer.hold(10, attempt=other))
        after = replace(other, retry_count=other.retry_count + 1)
        assert isinstance(customer.place(10, attempt=after), errors.AttemptExists)


@pytest.mark.parametrize("count", [1, 2])
def test_a_client_counts_so_an_attempt_of_the_same_number_is_anothers(
    customer: Payer, count: int
) -> None:
    """Another client's stream was lost at its second attempt and charged; one whose own
    second attempt this is was told that it had been completed."""
    customer.settle(customer.hold(10, attempt=marked(2)), 3)
    other = marked(count, arrived=time.monotonic() + 1)
    assert isinstance(customer.place(10, attempt=other), Placed)


def test_to_ask_the_same_twice_is_no_repeat(customer: Payer) -> None:
    customer.hold(10, attempt=marked())
    assert isinstance(customer.place(10, attempt=marked()), Placed)


def test_a_retry_is_made_beside_those_it_was_told_of_and_no_others(
    customer: Payer,
) -> None:
    first = customer.hold(10, attempt=marked())
    second = customer.hold(10, attempt=marked())
    refused = customer.place(10, attempt=marked(1, besides=frozenset({first})))
    assert isinstance(refused, errors.AttemptExists)
    assert refused.hold_ids == {second}
    both = frozenset({first, second})
    assert isinstance(customer.place(10, attempt=marked(1, besides=both)), Placed)


def test_a_key_is_not_used_beside_itself(customer: Payer) -> None:
    first = customer.hold(10, attempt=marked(key=True))
    mark = marked(key=True, besides=frozenset({first}))
    assert isinstance(customer.place(10, attempt=mark), errors.AttemptExists)


@pytest.mark.parametrize("count", [0, 1])
def test_an_attempt_that_was_overtaken_while_it_waited_is_refused(
    customer: Payer, count: int
) -> None:
    arrived = time.monotonic() - 5
    faster = customer.hold(10, attempt=marked(2))
    late = marked(count, arrived=arrived, besides=frozenset())
    assert isinstance(customer.place(10, attempt=late), errors.Overtaken)
    customer.release(faster)
    assert isinstance(customer.place(10, attempt=late), Placed)


def test_one_that_came_after_the_retry_was_placed_is_another_request(
    customer: Payer, clock: Clock
) -> None:
    customer.hold(10, attempt=marked(1))
    clock.advance(seconds=10)
    later = marked(arrived=time.monotonic() - 5)
    assert isinstance(customer.place(10, attempt=later), Placed)


def test_of_two_in_one_transaction_one_is_held(customer: Payer) -> None:
    orders = [customer.order(10, attempt=marked(key=True)) for _ in range(2)]
    first, second = holds.commit(orders)
    assert isinstance(first, Placed)
    assert isinstance(second, errors.AttemptExists)
    assert Attempt.objects.filter(hold__account_id=customer.account_id).count() == 1


def test_the_same_order_given_again_is_the_same_attempt(customer: Payer) -> None:
    order = customer.order(10, attempt=marked(key=True))
    committed(order)
    again = committed(order)
    assert isinstance(again, Placed)
    assert again.repeat


def test_a_refused_call_was_no_attempt(customer: Payer) -> None:
    refused = customer.place(1000, attempt=marked(key=True))
    assert isinstance(refused, errors.InsufficientCredits)
    assert isinstance(customer.place(10, attempt=marked(key=True)), Placed)


def test_after_the_window_it_is_a_call_like_any_other_but_never_while_it_runs(
    customer: Payer, clock: Clock
) -> None:
    mark = marked(key=True)
    hold_id = customer.hold(10, attempt=mark)
    clock.advance(days=3)
    assert isinstance(customer.place(10, attempt=mark), errors.AttemptExists)
    customer.settle(hold_id, 5)
    clock.advance(seconds=WINDOW_SECONDS - 1)
    assert isinstance(customer.place(10, attempt=mark), errors.AttemptExists)
    clock.advance(seconds=1)
    assert isinstance(customer.place(10, attempt=mark), Placed)


def test_what_is_past_the_window_is_forgotten(customer: Payer, clock: Clock) -> None:
    def count() -> int:
        return Attempt.objects.filter(hold__account_id=customer.account_id).count()

    clock.moment = clock.moment.replace(year=2999)
    *ended, _running = [
        customer.hold(10, attempt=marked(), hold_id=new_id()) for _ in range(4)
    ]
    for hold_id in ended:
        customer.settle(hold_id, 1)
    window = timedelta(seconds=WINDOW_SECONDS)
    attempts.purge(window)
    assert count() == 4
    clock.advance(seconds=WINDOW_SECONDS)
    assert attempts.purge(window, batch_rows=2) >= 3
    assert count() == 1  # it still runs


def seen(hold_id: str) -> attempts.Earlier:
    [found] = attempts.look([hold_id])
    return found


def test_an_answer_is_of_one_client_at_a_time(customer: Payer) -> None:
    hold_id, lease = customer.hold(10, attempt=marked()), uuid4()
    one, two = uuid4().hex, uuid4().hex
    at_first = seen(hold_id)
    assert attempts.join(at_first, by=one, lease_id=lease.hex)
    assert attempts.join(at_first, by=one, lease_id=lease.hex)  # it asks once more
    assert not attempts.join(at_first, by=two, lease_id=None)
    joined = seen(hold_id)
    assert joined.joined_by == UUID(one)
    assert joined.client_at is not None
    assert joined.client_at.lease_id == lease
    assert attempts.join(joined, by=two, lease_id=None)


def test_whose_answer_it_is_not_any_more_cannot_lose_it(customer: Payer) -> None:
    hold_id, by = customer.hold(10, attempt=marked()), uuid4().hex
    attempts.mark_lost([(uuid4().hex, ""), (hold_id, by)])
    assert not seen(hold_id).is_lost
    attempts.mark_lost([(hold_id, "")])
    assert seen(hold_id).is_lost
    attempts.join(seen(hold_id), by=by, lease_id=None)
    attempts.mark_lost([(hold_id, "")])  # late
    assert not seen(hold_id).is_lost
    attempts.mark_lost([(hold_id, by)])
    assert seen(hold_id).is_lost


def test_a_question_is_answered_once_and_what_was_known_comes_with_it(
    customer: Payer,
) -> None:
    lease_id = uuid4()
    assert leases.ask(lease_id) is None
    leases.renew(lease_id, label="test", seconds=30)
    hold_id = customer.hold(10, attempt=marked(), lease_id=lease_id.hex)
    assert leases.question(lease_id) is None
    assert (leases.ask(lease_id), leases.ask(lease_id)) == (1, 2)
    assert leases.question(lease_id) == 2
    leases.answer(lease_id, None, [(hold_id, "")])
    found = seen(hold_id)
    assert found.is_lost
    assert found.maker == found.client_at
    assert found.maker is not None
    assert found.maker.answered == 0
    leases.answer(lease_id, 2, [])
    assert seen(hold_id).maker.answered == 2  # type: ignore[union-attr]
    assert leases.question(lease_id) is None
    leases.give_up(lease_id)
    assert seen(hold_id).maker == attempts.Process(lease_id, None, 0)


@pytest.mark.parametrize("is_keyed", [True, False], ids=["key", "retry"])
def test_of_many_at_once_one_is_held(committed_db: None, is_keyed: bool) -> None:
    customer = Payer.open(credits=100)
    mark = marked(key=is_keyed, fingerprint=uuid4().hex)
    start, outcomes = threading.Barrier(8), []

    def place(number: int) -> None:
        start.wait()
        attempt = mark if is_keyed else replace(mark, retry_count=number)
        outcomes.append(customer.place(1, attempt=attempt))
        connections.close_all()

    threads = [threading.Thread(target=place, args=[n]) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    placed = [each for each in outcomes if isinstance(each, Placed)]
    found = [each for each in outcomes if isinstance(each, errors.AttemptExists)]
    late = [each for each in outcomes if isinstance(each, errors.Overtaken)]
    assert (len(placed), len(found) + len(late)) == (1, 7)
    assert not (is_keyed and late)
    assert {each.hold_ids for each in found} <= {
        frozenset({UUID(placed[0].hold_id).hex})
    }
