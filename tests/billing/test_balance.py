"""What there is for a call: the same figures that its hold decides by."""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing.models import Account
from billing.reports.balance import balance_of
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import Payer


def figures(customer: Payer) -> tuple[int, int, int, int]:
    """Balance, held, available, returning; in microcredits."""
    balance = balance_of(customer.account_id)
    return (
        balance.balance_micros,
        balance.held_micros,
        balance.available_micros,
        balance.returning_micros,
    )


def test_credits_that_expired_neither_are_there_nor_come_back(
    customer: Payer, clock: Clock
) -> None:
    customer.grant(50, expires_at=START + timedelta(minutes=1))
    customer.hold(60)  # 50 of the grant that expires first, 10 of the other
    assert figures(customer) == (150, 60, 90, 60)

    clock.advance(minutes=1)
    assert figures(customer) == (150, 60, 90, 10)
    assert figures(customer)[:3] == customer.figures()


def test_a_closed_account_says_so_and_none_is_no_account(customer: Payer) -> None:
    Account.objects.filter(pk=customer.account_id).update(is_open=False)
    assert not balance_of(customer.account_id).is_open
    with pytest.raises(Account.DoesNotExist):
        balance_of(10**9)


def test_a_hold_is_scaled_as_the_book_scales_it(customer: Payer) -> None:
    account = Account.objects.filter(pk=customer.account_id)
    account.update(price_factor_ppm=1_500_001)
    expected = balance_of(customer.account_id).hold_micros(7)

    assert expected == 11
    customer.hold(7)
    assert balance_of(customer.account_id).held_micros == expected
