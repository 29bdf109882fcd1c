"""Doubts that the operator has seen are no warnings, and lists that are cut say so."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest

from billing import corrections, holds
from billing.corrections import NotCorrectable
from billing.models import Account
from billing.values.orders import Doubt, Release
from billing.verification.report import FINDINGS_PER_CODE_MAX, verify
from tests.support.ledger.payers import Payer, doubts, used, wrong_in_the_ledger


def test_an_acknowledged_doubt_is_no_warning(customer: Payer) -> None:
    open_doubt, closed = customer.hold(5), customer.hold(5)
    for hold_id in (open_doubt, closed):
        customer.doubt(hold_id)
    by_rule = used(0, basis="in_doubt", upstream_micros=None)
    holds.commit([Release(closed, customer.account_id, "upstream_lost", by_rule)])
    assert doubts() == {open_doubt: "in_doubt", closed: "released"}

    assert corrections.acknowledge(UUID(closed), reason="seen")
    assert doubts() == {open_doubt: "in_doubt"}
    assert corrections.acknowledge(UUID(open_doubt), reason="seen")
    assert not corrections.acknowledge(UUID(open_doubt), reason="seen")
    assert doubts() == {}
    assert customer.figures() == (100, 5, 95)
    assert wrong_in_the_ledger() == []


def test_only_doubts_are_acknowledged(customer: Payer) -> None:
    for hold_id in (customer.hold(5), customer.call(5)):
        with pytest.raises(NotCorrectable):
            corrections.acknowledge(UUID(hold_id), reason="x")


def test_a_list_that_is_cut_says_how_much_is_missing(customer: Payer) -> None:
    before = Counter(found.code for found in verify().findings)["IN_DOUBT"]
    count = FINDINGS_PER_CODE_MAX + 130 - before
    orders = [customer.order(0) for _ in range(count)]
    holds.commit(orders)
    holds.commit([Doubt(each.hold_id, each.account_id, "lost") for each in orders])

    details = [f.detail for f in verify().findings if f.code == "IN_DOUBT"]
    assert len(details) == FINDINGS_PER_CODE_MAX + 1
    assert details[-1] == "and 130 more"


def test_a_list_of_broken_facts_is_cut_in_the_same_way(customer: Payer) -> None:
    Account.objects.filter(id=customer.account_id).update(acts=7)
    assert [f.detail for f in verify().findings if f.code == "CHAIN_HEAD"] == [
        f"account={customer.account_id} stored=7 acts=1"
    ]
