"""Sums of a quarter of an hour, kept in the settlement's own transaction."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import holds, spenders
from billing.models import UsageRecord, UsageRollup
from billing.values.orders import Release, Settle, Usage
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import Payer, used, wrong_in_the_ledger

FIGURES = ("prompt_tokens", "completion_tokens", "price_micros", "charged_micros")
FIXTURE = HealthCheck.function_scoped_fixture  # the clock is set by each example


def rollups(customer: Payer) -> list[UsageRollup]:
    return list(
        UsageRollup.objects.filter(account_id=customer.account_id).order_by("id")
    )


def test_a_settlement_is_summed_at_once(customer: Payer) -> None:
    customer.call(12, prompt_tokens=5, completion_tokens=7)

    (row,) = rollups(customer)
    assert (row.starts_at, row.basis) == (START, "upstream")
    assert (row.operation, row.model) == ("chat.completions", "openai/gpt-4o")
    assert (row.requests, row.prompt_tokens, row.completion_tokens) == (1, 5, 7)
    assert (row.price_micros, row.charged_micros, row.absorbed_micros) == (12, 12, 0)


def test_calls_of_one_quarter_share_a_row(customer: Payer, clock: Clock) -> None:
    customer.call(12, prompt_tokens=5)
    clock.advance(minutes=14, seconds=59)
    customer.call(3, prompt_tokens=6)

    (row,) = rollups(customer)
    assert (row.requests, row.prompt_tokens, row.charged_micros) == (2, 11, 15)


def test_a_new_quarter_is_a_new_row(customer: Payer, clock: Clock) -> None:
    customer.call(12)
    clock.advance(minutes=15)
    customer.call(3)

    first, second = rollups(customer)
    assert second.starts_at - first.starts_at == timedelta(minutes=15)
    assert (first.charged_micros, second.charged_micros) == (12, 3)


def test_each_spender_model_operation_and_basis_has_its_own(
    customer: Payer,
) -> None:
    other = spenders.open_spender(customer.account_id, "other")
    for particulars in (
        {},
        {"model": "m"},
        {"operation": "o"},
        {"spender_id": other.id},
    ):
        customer.settle(customer.hold(1, **particulars), 1)
    customer.call(1, basis="computed")

    assert [row.requests for row in rollups(customer)] == [1] * 5


def test_a_batch_adds_up_in_one_row(customer: Payer) -> None:
    orders = [Settle(customer.hold(10), customer.account_id, used(5)) for _ in range(4)]
    holds.commit([*orders, *orders])

    (row,) = rollups(customer)
    assert (row.requests, row.charged_micros) == (4, 20)
    assert wrong_in_the_ledger() == []


def test_what_the_operator_absorbs_is_summed_apart(customer: Payer) -> None:
    customer.settle(customer.hold(30), 135)

    (row,) = rollups(customer)
    assert (row.price_micros, row.charged_micros, row.absorbed_micros) == (
        135,
        100,
        35,
    )


def test_a_plain_release_is_no_usage_and_a_doubtful_one_is(
    customer: Payer,
) -> None:
    customer.release(customer.hold(30))
    assert rollups(customer) == []

    usage = Usage("in_doubt", 0)
    holds.commit([Release(customer.hold(30), customer.account_id, "lost", usage)])
    (row,) = rollups(customer)
    assert (row.basis, row.requests, row.charged_micros) == ("in_doubt", 1, 0)


@pytest.mark.django_db
@settings(max_examples=40, suppress_health_check=[FIXTURE])
@given(calls=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5400)), max_size=6))
def test_rollups_and_records_always_agree(
    clock: Clock, calls: list[tuple[int, int]]
) -> None:
    clock.moment = START
    customer = Payer.open(credits=20)
    for price, seconds in calls:
        clock.advance(seconds=seconds)
        hold_id = customer.hold(min(price, customer.figures()[2]))
        customer.settle(hold_id, price, prompt_tokens=price, completion_tokens=1)

    wanted = {name: Sum(name, default=0) for name in FIGURES}
    records = UsageRecord.objects.filter(account_id=customer.account_id)
    sums = UsageRollup.objects.filter(account_id=customer.account_id)
    assert sums.aggregate(**wanted) == records.aggregate(**wanted)
    assert sum(row.requests for row in sums) == len(calls)
