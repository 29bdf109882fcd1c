"""`verify_ledger` finds top-ups that do not agree with the ledger, and changed rows."""

from __future__ import annotations

import pytest
from django.db import connection

from billing.models import Buyer, TopUp
from billing.payments import automatic
from billing.payments.automatic import Agreed, Terms
from billing.payments.report import Said
from billing.values.orders import CREDIT
from billing.verification.report import verify
from tests.support.ledger.buyers import order, said, tell
from tests.support.ledger.payers import Payer, wrong_in_the_ledger

COLUMNS = {
    "reason": "'x'",
    "amount_micros": "amount_micros + 1",
    "price_minor": "price_minor + 1",
    "tax_minor": "7",
    "currency": "'eur'",
    "refunded_minor": "7",
    "payment_ref": "'pi_other'",
    "buyer_tax_id": "'x'",
    "asked_by": "'x'",
    "receipt_number": "4711",
    "paid_at": "created_at",
    "taken_micros": "7",
    "disputes": "'[1]'",
    "idempotency_key": "'x'",
}


@pytest.fixture
def paid(buyer: Payer) -> TopUp:
    topup = order(buyer)
    tell(said(topup, Said.PAID))
    assert wrong_in_the_ledger() == []
    return topup


def falsify(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def found() -> set[str]:
    return set(wrong_in_the_ledger())


@pytest.mark.parametrize("column", COLUMNS)
def test_a_changed_row_is_found(paid: TopUp, column: str) -> None:
    falsify(f"UPDATE billing_topup SET {column} = {COLUMNS[column]}")
    assert "TOPUP_SEAL" in found()


def test_a_grant_of_another_amount_is_found(paid: TopUp) -> None:
    falsify("UPDATE billing_topup SET amount_micros = amount_micros + 1")
    assert {"TOPUP_MISMATCH", "TOPUP_SEAL"} <= found()


def test_the_grant_of_something_else_is_found(paid: TopUp, buyer: Payer) -> None:
    other = buyer.grant(paid.amount_micros)
    falsify(f"UPDATE billing_topup SET grant_id = {other.id}")
    assert {"TOPUP_MISMATCH", "GRANT_WITHOUT_TOPUP"} <= found()


def test_credits_that_nobody_bought_are_found(buyer: Payer) -> None:
    buyer.grant(50, reference=f"topup:{'0' * 32}")
    assert found() == {"GRANT_WITHOUT_TOPUP"}


def test_one_payment_for_two_top_ups_is_found(paid: TopUp, buyer: Payer) -> None:
    second = order(buyer)
    tell(said(second, Said.PAID))
    falsify("DROP INDEX topup_of_each_payment")
    falsify("UPDATE billing_topup SET payment_ref = 'pi_1'")
    details = [each.detail for each in verify().findings]
    assert "PAYMENT_DUPLICATE" in found()
    assert any("payment=pi_1 topups=2" in each for each in details)


@pytest.mark.parametrize("table", ["topup", "buyer", "autotopup", "consent"])
def test_what_belongs_to_nobody_is_found(paid: TopUp, buyer: Payer, table: str) -> None:
    Buyer.objects.get_or_create(account_id=buyer.account_id)
    terms = Terms(CREDIT, 1000, 5000)
    agreed = Agreed(automatic.consent_text(terms), "alice", "")
    automatic.set_up(buyer.account_id, terms, agreed)
    falsify(f"UPDATE billing_{table} SET account_id = 0")
    assert "DANGLING_REFERENCE" in found()


def test_what_was_taken_back_without_an_amendment_is_found(paid: TopUp) -> None:
    falsify("UPDATE billing_topup SET taken_micros = 5")
    assert "TOPUP_TAKEN_BACK" in found()
