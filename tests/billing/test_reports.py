"""What the pages show: balances, spend by day, the latest calls, the doubtful ones."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from billing import spenders
from billing.models import Account
from billing.reports import activity
from billing.reports.activity import Wanted
from billing.reports.balance import balance_of
from billing.reports.spend import last_used, spend_by_day
from billing.reports.usage import Chosen, Dimension
from billing.values.orders import Doubt, Release, Usage
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import Payer, calls_of, committed, doubts


def test_a_balance_tells_held_and_available_apart(
    customer: Payer, clock: Clock
) -> None:
    customer.grant(7, expires_at=START + timedelta(minutes=1))
    customer.hold(30)
    assert customer.figures() == (107, 30, 77)

    clock.advance(minutes=1)
    assert customer.figures() == (107, 30, 77)
    customer.hold(1)
    assert customer.figures() == (107, 31, 76)


def test_expired_credits_are_in_the_balance_but_not_available(
    customer: Payer, clock: Clock
) -> None:
    customer.grant(50, expires_at=START + timedelta(minutes=1))
    clock.advance(minutes=1)

    assert customer.figures() == (150, 0, 100)


def test_nobodys_balance_is_no_balance(db: None) -> None:
    with pytest.raises(Account.DoesNotExist):
        balance_of(10**9)


def test_the_latest_calls_come_newest_first(
    customer: Payer, stranger: Payer, clock: Clock
) -> None:
    ids = []
    for _ in range(3):
        clock.advance(seconds=1)
        ids.append(customer.hold(1))
    stranger.hold(1)

    calls = calls_of(customer.account_id)
    assert [call.request_id for call in calls] == [f"req_{each}" for each in ids[::-1]]
    assert len(calls_of(customer.account_id, limit=2)) == 2


def test_a_call_is_shown_as_it_stands(customer: Payer) -> None:
    hold_id = customer.hold(30)
    (running,) = calls_of(customer.account_id)
    assert (running.state, running.held_micros, running.charged_micros) == (
        "open",
        30,
        None,
    )

    customer.settle(
        hold_id, 12, prompt_tokens=5, completion_tokens=7, duration_ms=8, streamed=True
    )
    (call,) = calls_of(customer.account_id)
    assert (call.state, call.charged_micros, call.basis) == ("settled", 12, "upstream")
    assert (call.prompt_tokens, call.completion_tokens, call.duration_ms) == (5, 7, 8)
    assert call.streamed
    assert call.spender_label.startswith("customer ")


def test_a_released_call_cost_nothing_and_a_doubtful_one_nobody_knows(
    customer: Payer, clock: Clock
) -> None:
    customer.release(customer.hold(30), "upstream_refused")
    clock.advance(seconds=1)
    customer.doubt(customer.hold(30))

    doubtful, released = calls_of(customer.account_id)
    assert (released.charged_micros, released.reason) == (0, "upstream_refused")
    assert (doubtful.charged_micros, doubtful.state) == (None, "in_doubt")


def test_calls_and_spend_are_narrowed_to_spenders(customer: Payer) -> None:
    other = spenders.open_spender(customer.account_id, "other")
    customer.call(12)
    customer.settle(customer.hold(5, spender_id=other.id), 5)

    for ids, charged in (([other.id], 5), ([], 0), (None, 17)):
        (day,) = spend_by_day(customer.account_id, days=1, spender_ids=ids)
        assert day.charged_micros == charged
    chosen = Chosen(customer.account_id)
    own = Wanted(chosen.narrowed(Dimension.KEY, other.id))
    (call,) = activity.page(own, 20).calls
    assert (call.spender_id, call.spender_label) == (other.id, "other")
    assert activity.page(Wanted(chosen.narrowed(Dimension.KEY)), 20).calls == []


def test_every_day_is_shown_oldest_first(customer: Payer, clock: Clock) -> None:
    customer.call(12)
    clock.moment = START.replace(hour=23, minute=59, second=59)
    customer.call(3)
    clock.advance(seconds=1)
    customer.call(5)
    clock.advance(days=1)

    days = spend_by_day(customer.account_id, days=4)
    assert [(day.day, day.requests, day.charged_micros) for day in days] == [
        (date(2020, 2, 27), 0, 0),
        (date(2020, 2, 28), 2, 15),
        (date(2020, 2, 29), 1, 5),
        (date(2020, 3, 1), 0, 0),
    ]


def test_days_before_the_first_shown_are_left_out(
    customer: Payer, clock: Clock
) -> None:
    customer.call(12)
    clock.advance(days=2)

    assert sum(day.requests for day in spend_by_day(customer.account_id, days=2)) == 0
    assert sum(day.requests for day in spend_by_day(customer.account_id, days=3)) == 1


def test_one_strangers_spend_is_not_anothers(customer: Payer, stranger: Payer) -> None:
    stranger.call(12)

    (day,) = spend_by_day(customer.account_id, days=1)
    assert (day.requests, day.charged_micros) == (0, 0)


def test_when_a_spender_was_last_used(customer: Payer, clock: Clock) -> None:
    idle = spenders.open_spender(customer.account_id, "idle")
    customer.call(1)
    clock.advance(hours=2)
    customer.call(1)
    clock.advance(minutes=14)
    customer.call(1)

    used = last_used([customer.spender_id, idle.id])
    assert used == {customer.spender_id: START + timedelta(hours=2)}
    assert last_used([]) == {}


def test_doubtful_calls_stay_listed_when_the_rule_has_closed_them(
    customer: Payer, stranger: Payer, clock: Clock
) -> None:
    hold_id = customer.hold(30)
    clock.advance(seconds=1)
    other = stranger.hold(20)
    for each, owner in ((hold_id, customer), (other, stranger)):
        committed(Doubt(each, owner.account_id, "upstream_lost"))
    usage = Usage("in_doubt", 0)
    committed(Release(hold_id, customer.account_id, "upstream_lost", usage))

    (call,) = calls_of(customer.account_id)
    assert (call.state, call.basis, call.charged_micros) == ("released", "in_doubt", 0)
    assert doubts() == {hold_id: "released", other: "in_doubt"}


def test_a_settled_doubt_is_doubtful_no_longer(customer: Payer) -> None:
    hold_id = customer.hold(30)
    customer.doubt(hold_id)
    customer.settle(hold_id, 12)

    assert doubts() == {}
