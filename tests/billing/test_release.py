"""Releasing a hold: everything goes back to where it came from, once."""

from __future__ import annotations

import uuid

import pytest

from billing import holds
from billing.models import Hold, Transfer, UsageRecord
from billing.values import errors
from billing.values.orders import Release, Resolved, Usage
from tests.support.ledger.payers import Payer, committed, used, wrong_in_the_ledger


def test_releasing_returns_the_whole_hold(customer: Payer) -> None:
    hold_id = customer.hold(30)
    released = customer.release(hold_id, "upstream_refused")

    assert (released.state, released.held_micros) == ("released", 30)
    assert (released.charged_micros, released.available_micros) == (0, 100)
    assert customer.figures() == (100, 0, 100)
    assert Hold.objects.get(id=hold_id).reason == "upstream_refused"


def test_each_part_goes_back_to_its_own_grant(customer: Payer) -> None:
    customer.grant(50)
    hold_id = customer.hold(120)
    assert customer.lots() == [(100, 100), (50, 20)]

    customer.release(hold_id)
    assert customer.lots() == [(100, 0), (50, 0)]
    assert wrong_in_the_ledger() == []


def test_a_release_moves_nothing_and_records_no_usage(customer: Payer) -> None:
    hold_id = customer.hold(30)
    customer.release(hold_id)

    assert not Transfer.objects.filter(hold_id=hold_id).exists()
    assert not UsageRecord.objects.filter(hold_id=hold_id).exists()


def test_the_first_release_stands(customer: Payer) -> None:
    hold_id = customer.hold(30)
    customer.hold(20)
    customer.release(hold_id)
    again = customer.release(hold_id, "another reason")

    assert (again.repeat, again.state) == (True, "released")
    assert customer.figures() == (100, 20, 80)
    assert Hold.objects.get(id=hold_id).reason == "upstream_refused"


def test_a_settled_call_is_not_refunded_by_a_late_release(customer: Payer) -> None:
    hold_id = customer.call(30)
    late = customer.release(hold_id)

    assert (late.repeat, late.state) == (True, "settled")
    assert customer.figures() == (70, 0, 70)


def test_nobody_releases_a_strangers_hold(customer: Payer, stranger: Payer) -> None:
    hold_id = customer.hold(30)
    foreign = committed(Release(hold_id, stranger.account_id, "mine"))
    unknown = committed(Release(uuid.uuid4().hex, customer.account_id, "whose"))

    assert type(foreign) is errors.UnknownHold
    assert type(unknown) is errors.UnknownHold
    assert customer.figures() == (100, 30, 70)


def test_a_call_that_cost_the_operator_nobody_knows_what_is_listed(
    customer: Payer,
) -> None:
    hold_id = customer.hold(30)
    usage = Usage("in_doubt", 0, flags=("upstream_lost",))
    committed(Release(hold_id, customer.account_id, "upstream_lost", usage))

    record = UsageRecord.objects.get(hold_id=hold_id)
    assert (record.basis, record.price_micros) == ("in_doubt", 0)
    assert record.flags == "upstream_lost"
    assert customer.figures() == (100, 0, 100)
    assert wrong_in_the_ledger() == []


@pytest.mark.parametrize("usage", [used(1), used(0), Usage("in_doubt", 1)])
def test_a_release_that_would_charge_is_rejected_alone(
    customer: Payer, usage: Usage
) -> None:
    first, second = customer.hold(30), customer.hold(20)
    rejected, released = holds.commit(
        [
            Release(first, customer.account_id, "odd", usage),
            Release(second, customer.account_id, "fine"),
        ]
    )

    assert type(rejected) is errors.LedgerError
    assert isinstance(released, Resolved)
    assert customer.figures() == (100, 30, 70)
