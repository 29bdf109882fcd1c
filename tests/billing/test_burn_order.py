"""Which grant pays: priority, then expiry, then promotions, then the oldest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.models import Grant, Hold
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import Payer, wrong_in_the_ledger

SOON = START + timedelta(days=1)
FIXTURE = HealthCheck.function_scoped_fixture  # a clock that nobody moves
LATER = START + timedelta(days=2)
terms = st.fixed_dictionaries(
    {
        "priority": st.sampled_from([10, 50]),
        "expires_at": st.sampled_from([None, SOON, LATER]),
        "source": st.sampled_from(["purchase", "promotion", "trial", "refund"]),
    }
)


@pytest.fixture
def empty(customer: Payer) -> Payer:
    """A customer without credits."""
    return Payer.open()


def burned_first(customer: Payer) -> Grant:
    """The grant that a hold of one micro would take."""
    hold_id = customer.hold(1)
    [[grant_id, _]] = Hold.objects.get(id=hold_id).pins
    customer.release(hold_id)
    return Grant.objects.get(id=grant_id)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"priority": 10}, {"priority": 50, "expires_at": SOON}),
        ({"expires_at": SOON}, {"expires_at": LATER, "source": "promotion"}),
        ({"expires_at": LATER}, {"source": "promotion"}),
        ({"source": "promotion"}, {"source": "purchase"}),
        ({"source": "trial"}, {"source": "refund"}),
        ({"source": "trial", "expires_at": SOON}, {"expires_at": SOON}),
    ],
)
def test_the_better_grant_burns_first_whenever_it_was_issued(
    empty: Payer, first: dict[str, Any], second: dict[str, Any]
) -> None:
    other = Payer.open()
    early, _ = empty.grant(10, **first), empty.grant(10, **second)
    _, late = other.grant(10, **second), other.grant(10, **first)

    assert burned_first(empty) == early
    assert burned_first(other) == late


def test_among_equals_the_oldest_burns_first(empty: Payer) -> None:
    oldest = empty.grant(10, source="promotion")
    empty.grant(10, source="trial")

    assert burned_first(empty) == oldest


def test_a_hold_pins_its_lots_in_burn_order(empty: Payer) -> None:
    paid = empty.grant(10)
    promotion = empty.grant(20, source="promotion")
    expiring = empty.grant(30, expires_at=SOON)
    hold_id = empty.hold(55)

    assert Hold.objects.get(id=hold_id).pins == [
        [expiring.id, 30],
        [promotion.id, 20],
        [paid.id, 5],
    ]


def test_a_price_below_the_hold_is_paid_by_the_first_pinned(empty: Payer) -> None:
    empty.grant(10)
    empty.grant(20, source="promotion")
    empty.settle(empty.hold(25), 12)

    assert empty.lots() == [(10, 0), (8, 0)]


def test_an_overrun_burns_on_in_the_same_order(empty: Payer) -> None:
    empty.grant(10)
    empty.grant(20, source="promotion")
    empty.grant(30, priority=10)
    empty.settle(empty.hold(5), 52)

    assert empty.lots() == [(8, 0), (0, 0), (0, 0)]
    assert wrong_in_the_ledger() == []


def test_a_better_grant_that_comes_later_leaves_pins_where_they_are(
    empty: Payer,
) -> None:
    empty.grant(10)
    hold_id = empty.hold(10)
    empty.grant(10, priority=1)
    empty.settle(hold_id, 10)

    assert empty.lots() == [(0, 0), (10, 0)]


@pytest.mark.django_db
@settings(max_examples=50, suppress_health_check=[FIXTURE])
@given(
    lots=st.lists(terms, min_size=1, max_size=5),
    part=st.integers(0, 50),
    data=st.data(),
)
def test_what_is_spent_is_a_prefix_of_the_burn_order(
    clock: Clock, lots: list[dict[str, Any]], part: int, data: st.DataObject
) -> None:
    customer = Payer.open()
    issued = [customer.grant(10, **each) for each in lots]
    for price in data.draw(st.lists(st.integers(0, 25), max_size=3)):
        customer.settle(customer.hold(min(part, customer.figures()[2])), price)
    order = sorted(
        issued,
        key=lambda grant: (
            grant.priority,
            grant.expires_at is None,
            grant.expires_at or START,
            grant.source not in {"promotion", "trial"},
            grant.id,
        ),
    )

    left = [Grant.objects.get(id=grant.id).remaining_micros for grant in order]
    assert left == sorted(left)
    assert len([micros for micros in left if 0 < micros < 10]) <= 1
