"""What the operator gives and takes outside any call, each once for its reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from billing import amendments, grants
from billing.amendments import Amended, NotAmendable, UnknownGrant, Why
from billing.models import Account, Act, Amendment, Grant, Transfer
from billing.values import errors
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.operators import charge_back, owed_by, why
from tests.support.ledger.payers import Payer, system_balance, wrong_in_the_ledger

OPERATIONS = {
    "credit": amendments.credit,
    "debit": amendments.debit,
    "clawback": amendments.clawback,
}


def figures(amended: Amended) -> tuple[int, ...]:
    """What it moved, what of it is owed, what is available and owed now."""
    return (
        *(amended.moved_micros, amended.owed_micros),
        *(amended.available_micros, amended.debt_micros),
    )


def test_a_credit_is_a_grant_out_of_the_operators_adjustments(
    customer: Payer, clock: Clock
) -> None:
    before = system_balance("adjustment")
    ends = START + timedelta(days=3)
    amended = amendments.credit(customer.account_id, 20, why(), expires_at=ends)

    assert figures(amended) == (20, 0, 120, 0)
    assert system_balance("adjustment") == before - 20
    given = Grant.objects.get(transfer__correction_id=amended.amendment_id)
    assert (given.source, given.amount_micros) == ("adjustment", 20)
    assert (given.reason, given.expires_at) == ("the bank's letter", ends)
    assert wrong_in_the_ledger() == []


def test_a_debit_takes_in_burn_order_what_is_available(customer: Payer) -> None:
    before = system_balance("adjustment")
    customer.grant(10, source="promotion")
    customer.hold(30)

    assert figures(amendments.debit(customer.account_id, 15, why())) == (-15, 0, 65, 0)
    assert system_balance("adjustment") == before + 15
    assert wrong_in_the_ledger() == []


def test_a_debit_never_takes_what_a_call_holds(customer: Payer) -> None:
    hold_id = customer.hold(30)
    with pytest.raises(NotAmendable, match="only 70 microcredits are available"):
        amendments.debit(customer.account_id, 71, why())
    assert amendments.debit(customer.account_id, 70, why()).available_micros == 0
    customer.settle(hold_id, 30)
    assert customer.figures() == (0, 0, 0)


def test_an_amendment_says_who_decided_it_and_why(customer: Payer) -> None:
    amended = amendments.debit(
        customer.account_id, 15, Why("ticket 7", "paid twice", "olga")
    )
    kept = Amendment.objects.get(id=amended.amendment_id)
    assert (kept.kind, kept.amount_micros, kept.moved_micros) == ("debit", 15, -15)
    assert (kept.reference, kept.reason, kept.actor) == (
        *("ticket 7", "paid twice", "olga"),
    )
    assert (kept.noted_at, kept.grant_id) == (START, None)
    act = Act.objects.get(subject_id=kept.id)
    assert (act.kind, act.account_id) == ("amendment", customer.account_id)


# --- a grant is taken back ------------------------------------------------------------


def test_what_is_left_of_a_grant_is_taken_back(customer: Payer) -> None:
    issued = system_balance("issuance")
    trial = customer.grant(50, source="trial")
    customer.call(20)  # of the trial
    done = amendments.reverse(trial.id, why(), recovers_spent=False)

    assert figures(done) == (-30, 0, 100, 0)
    assert system_balance("issuance") == issued - 50 + 30
    assert customer.lots() == [(100, 0), (0, 0)]
    assert wrong_in_the_ledger() == []


def test_what_was_spent_of_it_comes_out_of_the_other_grants(customer: Payer) -> None:
    trial = customer.grant(50, source="trial")
    customer.call(20)

    assert figures(charge_back(trial.id)) == (-50, 0, 80, 0)
    assert wrong_in_the_ledger() == []


def test_and_what_is_not_there_is_owed(customer: Payer) -> None:
    bought = Grant.objects.get(account_id=customer.account_id)
    customer.call(80)
    customer.grant(5)

    assert figures(charge_back(bought.id)) == (-25, 75, 0, 75)
    debt = Account.objects.get(kind="debt", tenant_id=customer.account_id)
    assert debt.balance_micros == -75
    kinds = Transfer.objects.filter(correction_id__isnull=False).order_by("kind")
    assert [(each.kind, each.amount_micros) for each in kinds] == [
        *(("clawback", 5), ("debt", 75), ("reversal", 20)),
    ]
    assert wrong_in_the_ledger() == []


def test_what_a_call_holds_of_it_counts_as_spent_and_is_taken_once(
    customer: Payer,
) -> None:
    bought = Grant.objects.get(account_id=customer.account_id)
    hold_id = customer.hold(30)
    left = amendments.reverse(bought.id, why(), recovers_spent=False)
    assert figures(left) == (-70, 0, 0, 0)
    assert figures(charge_back(bought.id)) == (0, 30, 0, 30)

    customer.release(hold_id)
    assert customer.figures() == (30, 0, 30)  # it pays the debt
    for recovers in (False, True):
        with pytest.raises(NotAmendable, match="nothing is left"):
            amendments.reverse(bought.id, why(), recovers_spent=recovers)
    assert wrong_in_the_ledger() == []


def test_what_lapsed_is_not_taken_again(customer: Payer, clock: Clock) -> None:
    short = customer.grant(40, expires_at=START + timedelta(hours=1))
    customer.call(10)
    clock.advance(hours=1)
    grants.expire_due()

    assert figures(charge_back(short.id)) == (-10, 0, 90, 0)
    assert wrong_in_the_ledger() == []


def test_what_has_expired_and_was_not_booked_out_is_taken_back(
    customer: Payer, clock: Clock
) -> None:
    short = customer.grant(40, expires_at=START + timedelta(hours=1))
    clock.advance(hours=1)

    assert figures(charge_back(short.id)) == (-40, 0, 100, 0)
    assert grants.expire_due() == 0
    assert wrong_in_the_ledger() == []


# --- once for each reference ----------------------------------------------------------


def test_given_again_it_changes_nothing(customer: Payer) -> None:
    for name, operation in OPERATIONS.items():
        first = operation(customer.account_id, 10, why(name))
        again = operation(customer.account_id, 10, why(name))
        assert again == replace(first, repeat=True)
    bought = Grant.objects.get(account_id=customer.account_id, source="purchase")
    first = amendments.reverse(bought.id, why("back"), recovers_spent=True)
    again = amendments.reverse(bought.id, why("back"), recovers_spent=True)
    assert again == replace(first, repeat=True)
    assert Amendment.objects.filter(account_id=customer.account_id).count() == 4
    assert wrong_in_the_ledger() == []


@pytest.mark.parametrize(
    "otherwise",
    [
        lambda it, other, grant: amendments.credit(it.account_id, 11, why("r")),
        lambda it, other, grant: amendments.debit(it.account_id, 10, why("r")),
        lambda it, other, grant: amendments.credit(other.account_id, 10, why("r")),
        lambda it, other, grant: amendments.reverse(
            grant.id, why("r"), recovers_spent=True
        ),
    ],
    ids=["amount", "kind", "account", "grant"],
)
def test_a_reference_stands_for_one_amendment(
    customer: Payer,
    stranger: Payer,
    otherwise: Callable[[Payer, Payer, Grant], Amended],
) -> None:
    grant = Grant.objects.get(account_id=customer.account_id)
    amendments.credit(customer.account_id, 10, why("r"))
    with pytest.raises(errors.ReferenceConflict):
        otherwise(customer, stranger, grant)
    assert customer.figures() == (110, 0, 110)
    assert stranger.figures() == (100, 0, 100)


# --- what is refused, by the operation and by the database ----------------------------


@pytest.mark.parametrize("micros", [0, -1, 10**15 + 1, True, 1.0, "1", None, 2**70])
def test_senseless_amounts_are_refused(customer: Payer, micros: object) -> None:
    for operation in (*OPERATIONS.values(), amendments.write_off):
        with pytest.raises(ValueError, match="amount out of range"):
            operation(customer.account_id, micros, why())  # type: ignore[arg-type]
    assert not Amendment.objects.filter(account_id=customer.account_id).exists()


@pytest.mark.parametrize("word", ["", " ", "x" * 501, "a\0b", "\ud800", None, 7])
def test_senseless_words_are_refused(customer: Payer, word: object) -> None:
    for name in ("reference", "reason", "actor"):
        bad = replace(why(), **{name: word})  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="makes no sense|are given"):
            amendments.credit(customer.account_id, 1, bad)
    assert customer.figures() == (100, 0, 100)


def test_who_is_not_there_is_refused(customer: Payer) -> None:
    usage = Account.objects.get(kind="usage", tenant_id=customer.account_id)
    for account_id in (2**40, usage.id, Account.objects.get(kind="issuance").id):
        with pytest.raises(Account.DoesNotExist):
            amendments.credit(account_id, 1, why())
    with pytest.raises(UnknownGrant):
        charge_back(2**40)
    with pytest.raises(ValueError, match="in the future"):
        amendments.credit(customer.account_id, 1, why(), expires_at=START)
    assert owed_by(customer) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "gift"},
        {"amount_micros": 0, "moved_micros": 0},
        {"moved_micros": -10},
        {"owed_micros": 1},
        {"kind": "debit"},
        {"kind": "write_off"},
        {"kind": "clawback", "moved_micros": -4, "owed_micros": 5},
        {"kind": "clawback", "moved_micros": -11, "owed_micros": -1},
        {"kind": "reversal", "moved_micros": -10},
    ],
)
def test_the_database_knows_what_a_kind_may_do(
    customer: Payer, change: dict[str, object]
) -> None:
    amended = amendments.credit(customer.account_id, 10, why())
    row: dict[str, Any] = dict(Amendment.objects.values().get(id=amended.amendment_id))
    row |= {"id": uuid4(), "reference": "another"} | change
    with (
        pytest.raises(IntegrityError, match="amendment_does_what_its_kind_says"),
        transaction.atomic(),
    ):
        Amendment.objects.create(**row)


@pytest.mark.parametrize("statement", ["UPDATE {} SET reason = ''", "DELETE FROM {}"])
def test_no_amendment_is_changed_or_deleted(customer: Payer, statement: str) -> None:
    amendments.credit(customer.account_id, 10, why())
    with (
        pytest.raises(DatabaseError, match="billing_amendment is append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format("billing_amendment"))
