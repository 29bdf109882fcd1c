"""When keys were last used: to the second, in as many queries for many as for one."""

from __future__ import annotations

from datetime import timedelta

from pytest_django import DjangoAssertNumQueries

from billing import spenders
from billing.reports.last_calls import first_call, last_calls, latest
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import Payer


def test_the_last_call_is_known_to_the_second_with_its_program(
    customer: Payer, clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    idle = spenders.open_spender(customer.account_id, "idle").id
    other = Payer(
        customer.account_id, spenders.open_spender(customer.account_id, "other").id
    )
    other.settle(other.hold(1, client="curl"), 1)
    clock.advance(hours=2)
    customer.settle(customer.hold(1, client="litellm", client_version="1.2"), 1)
    clock.advance(seconds=71)
    customer.settle(customer.hold(1, client="aider"), 1)
    clock.advance(minutes=1)
    running = customer.hold(1)  # not charged yet

    ids = [customer.spender_id, other.spender_id, idle]
    with django_assert_num_queries(2):
        found = last_calls(ids)
    assert set(found) == {customer.spender_id, other.spender_id}
    mine = found[customer.spender_id]
    assert (mine.at, mine.client) == (START + timedelta(hours=2, seconds=71), "aider")
    assert found[other.spender_id].at == START
    assert latest([None, *found.values()]) == mine
    assert latest([None]) is None

    customer.settle(running, 1, prompt_tokens=1)
    assert last_calls([customer.spender_id])[customer.spender_id].at > mine.at
    assert last_calls([]) == {}


def test_the_first_call_of_a_new_key_is_seen_while_it_runs(
    customer: Payer, stranger: Payer, clock: Clock
) -> None:
    account, ids = customer.account_id, [customer.spender_id]
    customer.hold(1)
    clock.advance(minutes=1)
    made = START + timedelta(minutes=1)
    assert first_call(account, ids, made) is None
    first = customer.hold(1)
    clock.advance(minutes=1)
    customer.hold(1)
    found = first_call(account, ids, made)
    assert found is not None
    assert (found.id.hex, hasattr(found, "usage")) == (first, False)
    customer.settle(first, 1)
    settled = first_call(account, ids, made)
    assert settled is not None
    assert settled.usage.charged_micros == 1
    assert first_call(stranger.account_id, ids, made) is None
