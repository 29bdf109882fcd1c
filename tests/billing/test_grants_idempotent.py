"""Credits are issued once for each reference, and only in amounts that make sense."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from billing import grants
from billing.models import Account, Grant, Transfer
from billing.values import errors
from billing.values.orders import AMOUNT_MICROS_MAX
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import Payer, system_balance, wrong_in_the_ledger

END = START + timedelta(days=1)


def issue(customer: Payer, **changes: Any) -> Grant:
    usual: dict[str, Any] = {
        "amount_micros": 50,
        "source": "purchase",
        "reference": "invoice-7",
        "reason": "invoice 7",
        "expires_at": END,
    }
    return grants.issue(customer.account_id, **(usual | changes))


def test_a_grant_comes_from_issuance(customer: Payer) -> None:
    before = system_balance("issuance")
    grant = issue(customer)

    assert customer.figures() == (150, 0, 150)
    assert system_balance("issuance") == before - 50
    assert (grant.remaining_micros, grant.held_micros, grant.reason) == (
        50,
        0,
        "invoice 7",
    )
    assert (grant.expires_at, grant.created_at) == (END, START)
    assert grant.transfer.reference == "grant:invoice-7"
    assert wrong_in_the_ledger() == []


def test_the_same_reference_is_granted_once(customer: Payer, clock: Clock) -> None:
    first = issue(customer)
    clock.advance(minutes=5)
    again = issue(customer)

    assert again == first
    assert customer.figures() == (150, 0, 150)
    assert Transfer.objects.filter(reference="grant:invoice-7").count() == 1


def test_a_repeat_after_the_grants_end_is_still_a_repeat(
    customer: Payer, clock: Clock
) -> None:
    first = issue(customer)
    clock.moment = END

    assert issue(customer) == first


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_micros": 51},
        {"source": "promotion"},
        {"priority": 49},
        {"expires_at": None},
        {"expires_at": END + timedelta(seconds=1)},
    ],
)
def test_the_same_reference_for_something_else_is_a_conflict(
    customer: Payer, changes: dict[str, Any]
) -> None:
    issue(customer)
    with pytest.raises(errors.ReferenceConflict):
        issue(customer, **changes)

    assert customer.figures() == (150, 0, 150)
    assert wrong_in_the_ledger() == []


def test_a_reference_belongs_to_one_account(customer: Payer, stranger: Payer) -> None:
    issue(customer)
    with pytest.raises(errors.ReferenceConflict):
        issue(stranger)

    assert stranger.figures() == (100, 0, 100)


@pytest.mark.parametrize("amount", [0, -1, AMOUNT_MICROS_MAX + 1, 2**63, 10**30])
def test_a_senseless_amount_is_refused(customer: Payer, amount: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        issue(customer, amount_micros=amount)

    assert customer.figures() == (100, 0, 100)


@pytest.mark.parametrize("amount", [1, AMOUNT_MICROS_MAX])
def test_the_smallest_and_the_largest_amount_are_granted(
    customer: Payer, amount: int
) -> None:
    assert issue(customer, amount_micros=amount).remaining_micros == amount
    assert customer.figures()[2] == 100 + amount


def test_an_unknown_source_is_refused(customer: Payer) -> None:
    with pytest.raises(ValueError, match="unknown source"):
        issue(customer, source="gift")


def test_nobody_is_granted_nothing(customer: Payer) -> None:
    with pytest.raises(Account.DoesNotExist):
        grants.issue(10**9, 50, source="purchase", reference="invoice-8")

    assert not Transfer.objects.filter(reference="grant:invoice-8").exists()


def test_a_conflict_leaves_the_reference_usable(customer: Payer) -> None:
    first = issue(customer)
    with pytest.raises(errors.ReferenceConflict):
        issue(customer, amount_micros=51)

    assert issue(customer) == first
