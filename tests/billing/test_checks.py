"""An order that makes no sense is refused at the door, on both databases."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from billing import accounts, holds
from billing.models import Hold, UsageRecord
from billing.values.checks import check
from billing.values.errors import LedgerError
from billing.values.orders import (
    Doubt,
    Entrust,
    Order,
    Place,
    Placed,
    Release,
    Resolved,
    Settle,
    Usage,
    Withdraw,
)
from tests.support.ledger.payers import Payer, used, wrong_in_the_ledger

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WHOSE = (uuid.uuid4().hex, 7)
SOUND: list[Order[Any]] = [
    Place(*WHOSE, 3, 10, "chat.completions", "openai/gpt-4o", NOW),
    Place(*WHOSE, 3, 10, "chat.completions", "é\u2028", NOW, "a" * 32),
    Entrust(*WHOSE, NOW, 10),
    Settle(*WHOSE, used(1, components={"input": 1}, flags=("cut",))),
    Release(*WHOSE, "upstream_refused"),
    Release(*WHOSE, "upstream_lost", Usage("in_doubt", 0)),
    Doubt(*WHOSE, "upstream_lost", only_if_due=True, dead_lease_id="c" * 32),
    Withdraw(*WHOSE),
]
PLACE, ENTRUST, SETTLE, RELEASE = SOUND[0], SOUND[2], SOUND[3], SOUND[4]
WRONG: list[tuple[Order[Any], dict[str, Any]]] = [
    (PLACE, {"hold_id": None}),
    (PLACE, {"hold_id": ["0192f3a1b2c37d4e8f00112233445566"]}),
    (PLACE, {"hold_id": uuid.uuid4()}),
    (PLACE, {"account_id": "7"}),
    (PLACE, {"account_id": 7.0}),
    (PLACE, {"account_id": True}),
    (PLACE, {"spender_id": None}),
    (PLACE, {"bound_micros": 1.5}),
    (PLACE, {"bound_micros": True}),
    (PLACE, {"bound_micros": "1"}),
    (PLACE, {"bound_micros": 2**63}),
    (PLACE, {"operation": b"chat"}),
    (PLACE, {"model": "\ud800"}),
    (PLACE, {"model": "a\0b"}),
    (PLACE, {"due_at": None}),
    (PLACE, {"due_at": datetime(2026, 1, 1)}),  # noqa: DTZ001  that is the point
    (PLACE, {"due_at": "2026-01-01"}),
    (PLACE, {"lease_id": 0}),
    (ENTRUST, {"bound_micros": 0.0}),
    (SETTLE, {"usage": None}),
    (SETTLE, {"usage": {"basis": "upstream", "cost_micros": 1}}),
    (SETTLE, {"reason": None}),
    (RELEASE, {"usage": 0}),
    (SOUND[6], {"only_if_due": 1}),
]
WRONG_USAGE: list[dict[str, Any]] = [
    {"cost_micros": 1.0},
    {"cost_micros": None},
    {"cost_micros": "12"},
    {"cost_micros": False},
    {"upstream_micros": 0.5},
    {"prompt_tokens": None},
    {"components": {"input": 1.5}},
    {"components": {1: 1}},
    {"components": []},
    {"upstream_id": None},
    {"streamed": None},
    {"duration_ms": 0.1},
    {"flags": ["cut"]},
    {"flags": (1,)},
]


@pytest.mark.parametrize("order", SOUND, ids=lambda order: type(order).__name__)
def test_a_sound_order_passes(order: Order[Any]) -> None:
    check(order)


@pytest.mark.parametrize(("order", "wrong"), WRONG)
def test_a_field_of_another_type_is_refused(
    order: Order[Any], wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        check(replace(order, **wrong))


@pytest.mark.parametrize("wrong", WRONG_USAGE, ids=str)
def test_so_is_one_inside_its_usage(customer: Payer, wrong: dict[str, Any]) -> None:
    hold_id, beside = customer.hold(10), customer.hold(10)
    bad = Settle(hold_id, customer.account_id, replace(used(2), **wrong))
    good = Settle(beside, customer.account_id, used(2))
    [refused, settled] = holds.commit([bad, good])

    assert type(refused) is LedgerError
    assert "usage makes no sense" in str(refused)
    assert isinstance(settled, Resolved)
    assert not UsageRecord.objects.filter(hold_id=hold_id).exists()
    assert customer.figures() == (98, 10, 88)
    assert wrong_in_the_ledger() == []


def test_a_bad_hold_is_not_placed_and_its_neighbour_is(customer: Payer) -> None:
    bad = replace(customer.order(1), model=None)  # type: ignore[arg-type]
    [refused, placed] = holds.commit([bad, customer.order(1)])

    assert type(refused) is LedgerError
    assert isinstance(placed, Placed)
    assert not Hold.objects.filter(id=bad.hold_id).exists()


@pytest.mark.parametrize("amount", [1.5, 2.0, True, "3", None])
def test_credits_are_granted_in_whole_microcredits(
    customer: Payer, amount: Any
) -> None:
    with pytest.raises((ValueError, TypeError)):
        customer.grant(amount)
    with pytest.raises((ValueError, TypeError)):
        customer.grant(1, priority=amount)
    assert customer.figures() == (100, 0, 100)


def test_a_price_factor_is_an_integer(db: None) -> None:
    for factor in (1.5, True, 0, -1):
        with pytest.raises(ValueError, match="positive"):
            accounts.open_organization("x", price_factor_ppm=factor)  # type: ignore[arg-type]
