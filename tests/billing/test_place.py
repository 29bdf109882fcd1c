"""Placing a hold: admitted exactly when the credits are there, refused otherwise."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from billing import accounts, holds, spenders
from billing.models import Hold
from billing.models.account import UnitKind
from billing.values import errors
from billing.values.orders import AMOUNT_MICROS_MAX, Placed, Release
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import Payer, wrong_in_the_ledger


def test_a_hold_sets_credits_aside(customer: Payer) -> None:
    placed = customer.place(30)

    assert isinstance(placed, Placed)
    assert (placed.held_micros, placed.available_micros) == (30, 70)
    assert not placed.repeat
    assert customer.figures() == (100, 30, 70)
    assert wrong_in_the_ledger() == []


def test_the_row_says_who_what_and_until_when(customer: Payer) -> None:
    lease_id = uuid.uuid4()
    hold_id = customer.hold(30, lease_id=lease_id.hex, model="openai/gpt-4o-mini")

    hold = Hold.objects.get(id=hold_id)
    assert (hold.account_id, hold.spender_id) == (
        customer.account_id,
        customer.spender_id,
    )
    assert (hold.state, hold.amount_micros, hold.model, hold.lease_id) == (
        "open",
        30,
        "openai/gpt-4o-mini",
        lease_id,
    )
    assert (hold.placed_at, hold.due_at) == (START, START + timedelta(minutes=15))


def test_the_whole_balance_may_be_held_and_not_one_micro_more(
    customer: Payer,
) -> None:
    assert isinstance(customer.place(101), errors.InsufficientCredits)
    assert isinstance(customer.place(100), Placed)
    assert isinstance(customer.place(1), errors.CreditsOnHold)
    assert customer.figures() == (100, 100, 0)


def test_a_call_that_costs_nothing_needs_no_credits(customer: Payer) -> None:
    customer.hold(100)

    assert isinstance(customer.place(0), Placed)
    assert isinstance(Payer.open().place(0), Placed)


def test_a_refusal_names_the_figures(customer: Payer) -> None:
    customer.hold(40)
    refusal = customer.place(61)

    assert isinstance(refusal, errors.CreditsOnHold)
    assert (refusal.required_micros, refusal.available_micros, refusal.held_micros) == (
        61,
        60,
        40,
    )
    assert type(customer.place(101)) is errors.InsufficientCredits


def test_a_refusal_writes_nothing(customer: Payer) -> None:
    refused = customer.order(101)
    holds.commit([refused])

    assert not Hold.objects.filter(id=refused.hold_id).exists()
    assert customer.figures() == (100, 0, 100)
    assert customer.lots() == [(100, 0)]


def test_a_refused_id_may_be_tried_again(customer: Payer) -> None:
    order = customer.order(150)
    assert isinstance(holds.commit([order])[0], errors.InsufficientCredits)
    customer.grant(50)

    assert isinstance(holds.commit([order])[0], Placed)


def test_the_same_hold_is_placed_once(customer: Payer) -> None:
    order = customer.order(30)
    first, again, later = (*holds.commit([order, order]), *holds.commit([order]))

    assert isinstance(first, Placed)
    assert isinstance(again, Placed)
    assert (first.repeat, again.repeat) == (False, True)
    assert again == later
    assert again.held_micros == 30
    assert customer.figures() == (100, 30, 70)


def test_an_id_is_never_used_for_another_call(customer: Payer, stranger: Payer) -> None:
    hold_id = customer.hold(30)

    for other in (
        customer.place(30, hold_id=hold_id, model="another"),
        customer.place(30, hold_id=hold_id, operation="embeddings"),
        stranger.place(30, hold_id=hold_id),
    ):
        assert type(other) is errors.HoldExists
    assert stranger.figures() == (100, 0, 100)


def test_a_closed_spender_is_refused_on_its_very_next_call(customer: Payer) -> None:
    hold_id = customer.hold(30)
    spenders.close(customer.spender_id)

    assert type(customer.place(1)) is errors.SpenderClosed
    assert customer.settle(hold_id, 20).charged_micros == 20


def test_a_spender_closes_by_itself_at_its_time(customer: Payer, clock: Clock) -> None:
    spenders.close_at(customer.spender_id, START + timedelta(seconds=10))
    clock.advance(seconds=9)
    assert isinstance(customer.place(1), Placed)
    clock.advance(seconds=1)
    assert type(customer.place(1)) is errors.SpenderClosed
    spenders.close_at(customer.spender_id, None)
    assert isinstance(customer.place(1), Placed)


@pytest.mark.parametrize("kind", list(UnitKind))
def test_a_closed_unit_stops_all_its_spenders_at_once(
    customer: Payer, kind: UnitKind
) -> None:
    unit = spenders.open_unit(customer.account_id, kind, "Ours")
    theirs = spenders.open_spender(
        customer.account_id,
        "CI",
        project_id=unit.id if kind == UnitKind.PROJECT else None,
        holder_id=unit.id if kind != UnitKind.PROJECT else None,
    )
    assert isinstance(customer.place(1, spender_id=theirs.id), Placed)

    spenders.set_unit_open(unit.id, is_open=False)
    assert type(customer.place(1, spender_id=theirs.id)) is errors.SpenderClosed
    assert isinstance(customer.place(1), Placed)  # another spender's
    spenders.set_unit_open(unit.id, is_open=True)
    assert isinstance(customer.place(1, spender_id=theirs.id), Placed)


def test_a_unit_of_another_account_lets_nobody_spend(
    customer: Payer, stranger: Payer
) -> None:
    unit = spenders.open_unit(stranger.account_id, UnitKind.PROJECT, "Theirs")
    mixed = spenders.open_spender(customer.account_id, "CI", project_id=unit.id)
    assert type(customer.place(1, spender_id=mixed.id)) is errors.SpenderClosed


def test_nobody_spends_from_another_account(customer: Payer, stranger: Payer) -> None:
    assert type(customer.place(1, spender_id=stranger.spender_id)) is (
        errors.SpenderClosed
    )
    assert type(customer.place(1, spender_id=10**9)) is errors.SpenderClosed
    assert type(customer.place(1, account_id=10**9)) is errors.AccountClosed


def test_a_suspended_organization_takes_no_holds_but_settles(
    customer: Payer,
) -> None:
    hold_id = customer.hold(30)
    accounts.suspend(customer.account_id)
    assert type(customer.place(1)) is errors.AccountClosed
    assert customer.settle(hold_id, 40).charged_micros == 40

    accounts.reopen(customer.account_id)
    assert isinstance(customer.place(1), Placed)


@pytest.mark.parametrize("bound", [-1, AMOUNT_MICROS_MAX + 1, 2**63, 10**30])
def test_a_senseless_bound_is_rejected_alone(customer: Payer, bound: int) -> None:
    rejected, placed = holds.commit([customer.order(bound), customer.order(30)])

    assert type(rejected) is errors.LedgerError
    assert isinstance(placed, Placed)
    assert customer.figures() == (100, 30, 70)


def test_what_the_same_batch_frees_may_be_held_again(customer: Payer) -> None:
    hold_id = customer.hold(100)
    released = Release(hold_id, customer.account_id, "upstream_refused")
    early, _, late = holds.commit([customer.order(1), released, customer.order(100)])

    assert type(early) is errors.CreditsOnHold
    assert isinstance(late, Placed)


def test_a_refused_order_leaves_its_neighbours_alone(
    customer: Payer, stranger: Payer
) -> None:
    outcomes = holds.commit(
        [
            customer.order(60),
            customer.order(60),
            stranger.order(60),
            customer.order(1, spender_id=stranger.spender_id),
            customer.order(40),
        ]
    )

    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [
        Placed,
        errors.CreditsOnHold,
        Placed,
        errors.SpenderClosed,
        Placed,
    ]
    assert customer.figures() == (100, 100, 0)
    assert stranger.figures() == (100, 60, 40)


def test_no_orders_are_no_work() -> None:
    assert holds.commit([]) == []
