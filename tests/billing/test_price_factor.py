"""The organization's price factor: rounded up, agreed when the call begins."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import accounts
from billing.models import Account, UsageRecord
from billing.values.amounts import price_of
from billing.values.orders import Placed
from tests.support.ledger.payers import Payer, wrong_in_the_ledger

factors = st.integers(1, 10**8)
prices = st.integers(0, 10**15)


def set_factor(customer: Payer, factor_ppm: int) -> None:
    account = Account.objects.filter(id=customer.account_id)
    account.update(price_factor_ppm=factor_ppm)


@given(prices, factors)
def test_a_price_is_rounded_up_by_less_than_one_micro(price: int, factor: int) -> None:
    exact = Fraction(price * factor, 1_000_000)

    assert price_of(price, factor) == ceil(exact)
    assert 0 <= price_of(price, factor) - exact < 1


@given(prices, prices, factors)
def test_no_split_of_a_call_makes_it_cheaper(
    one: int, another: int, factor: int
) -> None:
    together = price_of(one + another, factor)

    assert together <= price_of(one, factor) + price_of(another, factor)
    assert price_of(one, factor) <= together


@pytest.mark.parametrize(
    ("factor", "price", "charged"),
    [(1_000_000, 10, 10), (1_200_000, 10, 12), (1_200_000, 11, 14), (333_333, 1, 1)],
)
def test_hold_and_charge_are_both_at_the_factor(
    db: None, factor: int, price: int, charged: int
) -> None:
    customer = Payer.open(credits=100, price_factor_ppm=factor)
    placed = customer.place(price)
    assert isinstance(placed, Placed)
    assert (placed.held_micros, placed.price_factor_ppm) == (charged, factor)

    assert customer.settle(placed.hold_id, price).charged_micros == charged
    record = UsageRecord.objects.get(hold_id=placed.hold_id)
    assert (record.upstream_micros, record.price_micros) == (price, charged)
    assert wrong_in_the_ledger() == []


def test_a_change_does_not_touch_calls_that_run(customer: Payer) -> None:
    hold_id = customer.hold(30)
    set_factor(customer, 2_000_000)

    assert customer.settle(hold_id, 20).charged_micros == 20
    placed = customer.place(20)
    assert isinstance(placed, Placed)
    assert placed.held_micros == 40
    set_factor(customer, 1_000_000)
    assert customer.settle(placed.hold_id, 20).charged_micros == 40
    assert wrong_in_the_ledger() == []


def test_an_overrun_is_charged_at_the_factor_too(db: None) -> None:
    customer = Payer.open(credits=100, price_factor_ppm=1_500_000)

    assert customer.settle(customer.hold(10), 31).charged_micros == 47


@pytest.mark.parametrize("factor", [0, -1])
def test_a_price_factor_is_positive(db: None, factor: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        accounts.open_organization("Acme", price_factor_ppm=factor)
