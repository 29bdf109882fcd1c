"""Settling a hold: the exact price, once, never more than there is."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import holds
from billing.models import Account, Entry, Hold, Transfer, UsageRecord
from billing.values import errors
from billing.values.orders import AMOUNT_MICROS_MAX, Resolved, Settle
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import (
    Payer,
    committed,
    system_balance,
    used,
    wrong_in_the_ledger,
)


def consumed(customer: Payer) -> int:
    """The balance of the customer's usage account."""
    account = Account.objects.select_related("usage_account").get(
        id=customer.account_id
    )
    assert account.usage_account is not None
    return account.usage_account.balance_micros


def test_settling_less_than_held_returns_the_rest(customer: Payer) -> None:
    settled = customer.settle(customer.hold(30), 12)

    assert (settled.state, settled.held_micros) == ("settled", 30)
    assert (settled.charged_micros, settled.absorbed_micros) == (12, 0)
    assert settled.available_micros == 88
    assert customer.figures() == (88, 0, 88)
    assert consumed(customer) == 12


def test_settling_exactly_what_is_held_returns_nothing(customer: Payer) -> None:
    settled = customer.settle(customer.hold(30), 30)

    assert (settled.charged_micros, settled.available_micros) == (30, 70)
    assert customer.lots() == [(70, 0)]


def test_settling_nothing_charges_nothing_and_is_recorded(customer: Payer) -> None:
    hold_id = customer.hold(30)
    assert customer.settle(hold_id, 0).charged_micros == 0

    assert customer.figures() == (100, 0, 100)
    assert not Transfer.objects.filter(hold_id=hold_id).exists()
    assert UsageRecord.objects.get(hold_id=hold_id).price_micros == 0
    assert wrong_in_the_ledger() == []


def test_an_overrun_is_taken_from_what_is_available(customer: Payer) -> None:
    hold_id = customer.hold(30)
    settled = customer.settle(hold_id, 90)

    assert (settled.charged_micros, settled.absorbed_micros) == (90, 0)
    assert customer.figures() == (10, 0, 10)
    assert UsageRecord.objects.get(hold_id=hold_id).flags == "hold_overrun"
    assert wrong_in_the_ledger() == []


def test_what_an_overrun_can_not_take_the_operator_absorbs(customer: Payer) -> None:
    before = system_balance("absorbed")
    hold_id = customer.hold(30)
    settled = customer.settle(hold_id, 135)

    assert (settled.charged_micros, settled.absorbed_micros) == (100, 35)
    assert customer.figures() == (0, 0, 0)
    assert system_balance("absorbed") == before - 35
    assert consumed(customer) == 135
    record = UsageRecord.objects.get(hold_id=hold_id)
    assert (record.price_micros, record.charged_micros, record.absorbed_micros) == (
        135,
        100,
        35,
    )
    assert wrong_in_the_ledger() == []


def test_an_overrun_leaves_the_credits_of_running_calls_alone(
    customer: Payer,
) -> None:
    running = customer.hold(60)
    settled = customer.settle(customer.hold(30), 45)

    assert (settled.charged_micros, settled.absorbed_micros) == (40, 5)
    assert customer.figures() == (60, 60, 0)
    assert customer.settle(running, 60).charged_micros == 60


@pytest.mark.django_db
@given(
    balance=st.integers(1, 200),
    held=st.integers(0, 200),
    beside=st.integers(0, 200),
    price=st.integers(0, 600),
)
def test_price_is_charged_plus_absorbed_and_absorbed_only_when_nothing_is_left(
    balance: int, held: int, beside: int, price: int
) -> None:
    customer = Payer.open(credits=balance)
    hold_id = customer.hold(min(held, balance))
    customer.place(beside)
    settled = customer.settle(hold_id, price)

    assert settled.charged_micros + settled.absorbed_micros == price
    assert settled.charged_micros <= price
    assert settled.absorbed_micros == 0 or settled.available_micros == 0
    assert min(customer.figures()) >= 0


def test_the_first_settlement_stands(customer: Payer) -> None:
    hold_id = customer.hold(30)
    customer.settle(hold_id, 12)
    again = customer.settle(hold_id, 25)

    assert (again.repeat, again.state) == (True, "settled")
    assert (again.charged_micros, again.absorbed_micros) == (0, 0)
    assert again.available_micros == 88
    assert customer.figures() == (88, 0, 88)
    assert UsageRecord.objects.filter(hold_id=hold_id).count() == 1


def test_twice_in_one_batch_is_once(customer: Payer) -> None:
    settle = Settle(customer.hold(30), customer.account_id, used(12))
    first, again = holds.commit([settle, settle])

    assert isinstance(first, Resolved)
    assert isinstance(again, Resolved)
    assert (first.repeat, again.repeat) == (False, True)
    assert customer.figures() == (88, 0, 88)


def test_a_released_hold_can_not_be_charged_any_more(customer: Payer) -> None:
    hold_id = customer.hold(30)
    customer.release(hold_id)
    late = customer.settle(hold_id, 12)

    assert (late.repeat, late.state, late.charged_micros) == (True, "released", 0)
    assert customer.figures() == (100, 0, 100)


def test_only_the_account_that_placed_a_hold_settles_it(
    customer: Payer, stranger: Payer
) -> None:
    hold_id = customer.hold(30)
    foreign = committed(Settle(hold_id, stranger.account_id, used(12)))
    unknown = committed(Settle(uuid.uuid4().hex, customer.account_id, used(12)))

    assert type(foreign) is errors.UnknownHold
    assert type(unknown) is errors.UnknownHold
    assert customer.figures() == (100, 30, 70)
    assert stranger.figures() == (100, 0, 100)


def test_a_call_may_be_placed_and_overrun_in_one_batch(customer: Payer) -> None:
    order = customer.order(30)
    settle = Settle(order.hold_id, customer.account_id, used(135))
    _, settled = holds.commit([order, settle])

    assert isinstance(settled, Resolved)
    assert (settled.charged_micros, settled.absorbed_micros) == (100, 35)
    assert wrong_in_the_ledger() == []


@pytest.mark.parametrize("price", [-1, -(2**63), AMOUNT_MICROS_MAX + 1, 2**63, 10**30])
def test_a_senseless_price_is_rejected_alone(customer: Payer, price: int) -> None:
    first, second = customer.hold(30), customer.hold(30)
    rejected, settled = holds.commit(
        [
            Settle(first, customer.account_id, used(price)),
            Settle(second, customer.account_id, used(12)),
        ]
    )

    assert type(rejected) is errors.LedgerError
    assert isinstance(settled, Resolved)
    assert customer.figures() == (88, 30, 58)
    assert wrong_in_the_ledger() == []


def test_the_record_tells_the_whole_call(customer: Payer, clock: Clock) -> None:
    hold_id = customer.hold(30)
    clock.advance(seconds=4)
    customer.settle(
        hold_id,
        12,
        prompt_tokens=5,
        completion_tokens=7,
        components={"base": 10, "image": 2},
        upstream_id="chatcmpl-7",
        streamed=True,
        duration_ms=4000,
        flags=("client_gone", "usage_invalid"),
    )

    record = UsageRecord.objects.get(hold_id=hold_id)
    assert (record.basis, record.upstream_micros) == ("upstream", 12)
    assert (record.prompt_tokens, record.completion_tokens) == (5, 7)
    assert (record.upstream_id, record.duration_ms) == ("chatcmpl-7", 4000)
    assert record.streamed
    assert record.flags == "client_gone usage_invalid"
    parts = record.components.values_list("name", "upstream_micros")
    assert dict(parts) == {"base": 10, "image": 2}
    assert (record.settled_at - START).seconds == 4
    assert Hold.objects.get(id=hold_id).changed_at == record.settled_at


def test_every_transfer_has_two_entries_that_cancel_out(customer: Payer) -> None:
    hold_id = customer.call(12)

    transfer = Transfer.objects.get(hold_id=hold_id)
    assert (transfer.kind, transfer.reference) == ("usage", f"usage:{hold_id}")
    entries = Entry.objects.filter(transfer=transfer)
    amounts = dict(entries.values_list("account_id", "amount_micros"))
    assert amounts[customer.account_id] == -12
    assert sum(amounts.values()) == 0
    latest = entries.get(account_id=customer.account_id)
    assert (latest.version, latest.balance_after_micros) == (2, 88)
