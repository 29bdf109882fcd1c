"""What a charge took from which grant is kept for good."""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing import grants
from billing.models import Burn, Grant
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import Payer, wrong_in_the_ledger


@pytest.fixture
def empty(customer: Payer) -> Payer:
    """A customer without credits."""
    return Payer.open()


def burnt(grant: Grant) -> list[tuple[str, int]]:
    """What was taken from a grant, by which kind of transfer, in order."""
    found = Burn.objects.filter(grant=grant).order_by("transfer__created_at")
    return list(found.values_list("transfer__kind", "amount_micros"))


def test_a_charge_names_the_grants_it_took(empty: Payer) -> None:
    paid = empty.grant(20)
    promotion = empty.grant(10, source="promotion")
    empty.settle(empty.hold(25), 14)

    assert burnt(promotion) == [("usage", 10)]
    assert burnt(paid) == [("usage", 4)]


def test_an_overrun_is_one_row_for_each_grant(empty: Payer) -> None:
    """What the hold kept of a grant, and what was taken from it beyond, are one."""
    first, second = empty.grant(20, priority=10), empty.grant(30)
    empty.settle(empty.hold(5), 70)

    assert burnt(first) == [("usage", 20)]
    assert burnt(second) == [("usage", 30)]  # 20 more are the operator's
    assert wrong_in_the_ledger() == []


def test_what_lapses_is_taken_from_its_grant(empty: Payer, clock: Clock) -> None:
    grant = empty.grant(10, expires_at=START + timedelta(hours=1))
    empty.call(3)
    clock.advance(hours=1)
    grants.expire_due()

    assert burnt(grant) == [("usage", 3), ("expire", 7)]
    assert wrong_in_the_ledger() == []


def test_a_call_that_costs_nothing_takes_nothing(empty: Payer) -> None:
    grant = empty.grant(10)
    empty.settle(empty.hold(5), 0)
    empty.release(empty.hold(5))

    assert burnt(grant) == []
