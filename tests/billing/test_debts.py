"""Debt: no new hold while it stands, and what comes in pays it first."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connections, transaction

from billing import amendments, debts, grants
from billing.amendments import NotAmendable
from billing.models import Account, Act, Transfer
from billing.models.correction import CorrectionKind
from billing.tasks import sweep_holds
from billing.values import errors
from billing.values.orders import Placed
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.locks import kept_by_a_stranger, ledger_locked
from tests.support.ledger.operators import owed_by, why
from tests.support.ledger.payers import Payer, system_balance, wrong_in_the_ledger
from tests.support.ledger.posted import post


def indebted(customer: Payer, micros: int) -> Payer:
    """It had 100, all of which it spends."""
    amendments.clawback(customer.account_id, 100 + micros, why())
    assert customer.figures() == (0, 0, 0)
    assert owed_by(customer) == micros
    return customer


def test_who_owes_places_no_hold_until_it_is_paid(customer: Payer) -> None:
    beside = customer.hold(30)
    amendments.clawback(customer.account_id, 75, why())
    refused = customer.place(0)

    assert isinstance(refused, errors.DebtUnpaid)
    assert refused.owed_micros == 5
    assert customer.settle(beside, 30).charged_micros == 30  # what runs is settled
    customer.grant(6)
    assert customer.figures() == (1, 0, 1)
    assert isinstance(customer.place(1), Placed)
    assert wrong_in_the_ledger() == []


def test_a_hold_that_stands_is_answered_as_a_repeat(customer: Payer) -> None:
    order = customer.order(30)
    hold_id = customer.hold(30, hold_id=order.hold_id)
    amendments.clawback(customer.account_id, 80, why())
    again = customer.place(30, hold_id=hold_id)
    assert isinstance(again, Placed)
    assert again.repeat


def test_another_organization_is_not_refused(customer: Payer, stranger: Payer) -> None:
    indebted(customer, 5)
    assert isinstance(stranger.place(1), Placed)


def test_a_grant_pays_first_and_says_what_is_left_of_it(customer: Payer) -> None:
    indebted(customer, 30)
    first = customer.grant(10)
    assert (first.remaining_micros, owed_by(customer)) == (0, 20)
    second = customer.grant(50)
    assert (second.remaining_micros, owed_by(customer)) == (30, 0)
    paid = Transfer.objects.filter(kind="repayment", source_id=customer.account_id)
    assert sorted(paid.values_list("amount_micros", flat=True)) == [10, 20]
    acts = Act.objects.filter(account_id=customer.account_id, kind="repayment")
    assert acts.count() == 2
    assert wrong_in_the_ledger() == []


def test_so_do_a_credit_a_refund_and_a_lower_price(customer: Payer) -> None:
    calls = [customer.call(20), customer.call(20)]
    amendments.clawback(customer.account_id, 60 + 50, why())

    given = amendments.credit(customer.account_id, 15, why())
    assert (given.available_micros, given.debt_micros) == (0, 35)
    assert post(calls[0], CorrectionKind.REFUND, 20).available_micros == 0
    assert owed_by(customer) == 15
    assert post(calls[1], CorrectionKind.ADJUSTMENT, 3).available_micros == 2
    assert owed_by(customer) == 0
    assert wrong_in_the_ledger() == []


def test_a_grant_that_is_repeated_pays_once(customer: Payer) -> None:
    indebted(customer, 30)
    for _ in range(2):
        customer.grant(10, reference="invoice 7")
    assert owed_by(customer) == 20


def test_what_a_running_call_returns_pays_with_the_next_sweep(customer: Payer) -> None:
    hold_id = customer.hold(40)
    amendments.clawback(customer.account_id, 75, why())
    customer.settle(hold_id, 10)
    assert customer.figures() == (30, 0, 30)

    sweep_holds()
    assert customer.figures() == (15, 0, 15)
    assert owed_by(customer) == 0
    assert debts.pay_all() == 0
    assert wrong_in_the_ledger() == []


def test_what_has_expired_pays_nothing(customer: Payer, clock: Clock) -> None:
    customer.grant(10, expires_at=START + timedelta(hours=1))
    hold_id = customer.hold(10)
    amendments.clawback(customer.account_id, 105, why())
    clock.advance(hours=1)
    customer.release(hold_id)

    assert debts.pay(customer.account_id) == 0
    assert grants.expire_due() == 1
    assert owed_by(customer) == 5


# --- it is written off ----------------------------------------------------------------


def test_the_operator_bears_what_he_writes_off(customer: Payer) -> None:
    indebted(customer, 30)
    before = system_balance("adjustment")
    done = amendments.write_off(customer.account_id, 20, why())

    assert (done.moved_micros, done.owed_micros, done.debt_micros) == (0, -20, 10)
    assert system_balance("adjustment") == before - 20
    with pytest.raises(NotAmendable, match="only 10 microcredits are owed"):
        amendments.write_off(customer.account_id, 11, why())
    amendments.write_off(customer.account_id, 10, why())
    customer.grant(5)
    assert isinstance(customer.place(5), Placed)
    assert wrong_in_the_ledger() == []


def test_who_never_owed_has_nothing_to_write_off(customer: Payer) -> None:
    with pytest.raises(NotAmendable, match="only 0"):
        amendments.write_off(customer.account_id, 1, why())
    assert not Account.objects.filter(
        kind="debt", tenant_id=customer.account_id
    ).exists()


def test_an_account_of_debt_is_opened_once(customer: Payer) -> None:
    for _ in range(2):
        indebted(customer, 5)
        customer.grant(105)
    debt = Account.objects.get(kind="debt", tenant_id=customer.account_id)
    assert (debt.balance_micros, debt.held_micros) == (0, 0)
    debt.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        debt.save(force_insert=True)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"balance_micros": 1}, "account_debt_is_somebodys"),
        ({"tenant_id": None}, "account_debt_is_somebodys"),
        ({"owed_micros": 1}, "account_owed_by_organizations_only"),
    ],
)
def test_the_database_knows_what_a_debt_is(
    customer: Payer, change: dict[str, object], constraint: str
) -> None:
    indebted(customer, 5)
    debt = Account.objects.filter(kind="debt", tenant_id=customer.account_id)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        debt.update(**change)
    its = Account.objects.filter(id=customer.account_id)
    with pytest.raises(IntegrityError, match="account_owed"), transaction.atomic():
        its.update(owed_micros=-1)


# --- at the same time -----------------------------------------------------------------


def test_two_clawbacks_at_once_take_each_credit_once(committed_db: None) -> None:
    customer = Payer.open(credits=100)
    reasons = [why() for _ in range(4)]

    def claw(number: int) -> None:
        amendments.clawback(customer.account_id, 40, reasons[number])
        connections.close_all()

    threads = [threading.Thread(target=claw, args=(n,)) for n in range(len(reasons))]
    with ledger_locked(customer.account_id) as release:
        for thread in threads:
            thread.start()
        release.set()
    for thread in threads:
        thread.join()
    assert (customer.figures(), owed_by(customer)) == ((0, 0, 0), 60)
    assert wrong_in_the_ledger() == []


@pytest.mark.postgres_only
def test_who_is_locked_pays_next_time(committed_db: None) -> None:
    locked, other = Payer.open(credits=10), Payer.open(credits=10)
    for payer in (locked, other):
        hold_id = payer.hold(10)
        amendments.clawback(payer.account_id, 4, why())
        payer.release(hold_id)
    row = f"SELECT 1 FROM billing_account WHERE id = {locked.account_id} FOR UPDATE"
    with kept_by_a_stranger(row):
        assert debts.pay_all() == 1
        with pytest.raises(errors.AccountLocked):
            amendments.credit(locked.account_id, 1, why())
    assert debts.pay_all() == 1
    assert (owed_by(locked), owed_by(other)) == (0, 0)
