"""Refunds, and prices that the operator corrects: what goes back, and to whom."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction

from billing import grants
from billing.corrections import NotCorrectable
from billing.models import Burn, Correction, Grant
from billing.models.correction import CorrectionKind
from billing.reports.calls import charge_of
from billing.values import errors
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import Payer, system_balance, wrong_in_the_ledger
from tests.support.ledger.posted import first_words, post, sums
from tests.support.ledger.tampering import found_after

REFUND, ADJUSTMENT = CorrectionKind.REFUND, CorrectionKind.ADJUSTMENT


def test_a_refund_is_a_new_grant(customer: Payer) -> None:
    hold_id = customer.call(60)
    before = first_words(hold_id)
    posted = post(hold_id, REFUND, 45)

    assert (posted.charged_micros, posted.available_micros) == (-45, 85)
    assert customer.lots() == [(40, 0), (45, 0)]
    given = Grant.objects.get(transfer__correction_id=posted.correction_id)
    assert (given.source, given.amount_micros) == ("refund", 45)
    assert (given.reason, given.expires_at) == ("the invoice", None)
    assert first_words(hold_id) == before
    assert charge_of(UUID(hold_id)) == (15, "upstream")
    assert sums(customer) == (1, 0, 15, 0)
    assert wrong_in_the_ledger() == []


def test_a_refund_is_usable_though_the_grant_it_was_paid_from_has_expired(
    db: None, clock: Clock
) -> None:
    trial = Payer.open()
    trial.grant(20, expires_at=START + timedelta(hours=1))
    hold_id = trial.call(20)
    clock.advance(hours=1)
    grants.expire_due()

    assert post(hold_id, REFUND, 10).available_micros == 10
    assert grants.expire_due() == 0
    assert trial.figures() == (10, 0, 10)


def test_a_call_is_refunded_once(customer: Payer) -> None:
    hold_id = customer.call(30)
    assert post(hold_id, REFUND, 20).charged_micros == -20
    with pytest.raises(NotCorrectable, match="refunded before"):
        post(hold_id, REFUND, 10, "2")
    assert post(hold_id, REFUND, 20).repeat

    assert customer.figures() == (90, 0, 90)


def test_the_database_itself_knows_one_refund_of_a_call(customer: Payer) -> None:
    hold_id = customer.call(30)
    word = Correction.objects.get(id=post(hold_id, REFUND, 20).correction_id)
    word.id, word.reference = uuid4(), "another"
    with pytest.raises(IntegrityError), transaction.atomic():
        word.save(force_insert=True)


@pytest.mark.parametrize("more", [1, 70])
def test_no_more_is_refunded_than_was_charged(customer: Payer, more: int) -> None:
    hold_id = customer.call(30)
    with pytest.raises(NotCorrectable, match="only 30 micros were charged"):
        post(hold_id, REFUND, 30 + more)
    assert post(hold_id, REFUND, 30).available_micros == 100
    assert wrong_in_the_ledger() == []


@pytest.mark.parametrize(
    ("price", "charged"), [(35, 5), (30, 0), (25, -5), (20, -10), (15, -10), (0, -10)]
)
def test_a_price_after_a_refund_leaves_the_refund_to_the_customer(
    customer: Payer, price: int, charged: int
) -> None:
    """Of 30, 20 came back: a lower price charges nothing, and gives back what is left
    charged at most."""
    hold_id = customer.call(30)
    post(hold_id, REFUND, 20)

    assert post(hold_id, ADJUSTMENT, price).charged_micros == charged
    assert charge_of(UUID(hold_id)) == (10 + charged, "upstream")
    assert post(hold_id, ADJUSTMENT, price, "again").charged_micros == 0
    post(hold_id, ADJUSTMENT, 30, "2")
    assert charge_of(UUID(hold_id)) == (10, "upstream")
    assert customer.figures() == (90, 0, 90)
    assert wrong_in_the_ledger() == []


def test_a_lower_price_goes_back_to_the_grants_it_came_from(
    db: None, clock: Clock
) -> None:
    customer = Payer.open()
    customer.grant(20, source="promotion")
    paid, other = customer.grant(30), customer.grant(50)
    hold_id = customer.call(60)
    assert customer.lots() == [(0, 0), (0, 0), (40, 0)]
    posted = post(hold_id, ADJUSTMENT, 15)

    assert posted.charged_micros == -45
    assert customer.lots() == [(5, 0), (30, 0), (50, 0)]  # the last burnt first
    burns = Burn.objects.filter(transfer__kind="refund", grant__in=[paid, other])
    assert sorted(burns.values_list("amount_micros", flat=True)) == [-30, -10]
    assert customer.figures() == (85, 0, 85)
    assert wrong_in_the_ledger() == []


def test_what_came_from_an_expired_grant_lapses_again(
    customer: Payer, clock: Clock
) -> None:
    trial = Payer.open()
    trial.grant(20, expires_at=START + timedelta(hours=1))
    hold_id = trial.call(20)
    clock.advance(hours=1)
    grants.expire_due()
    for number in range(2):
        price = 10 - 10 * number
        assert post(hold_id, ADJUSTMENT, price, str(number)).available_micros == 0
        assert grants.expire_due() == 1

    assert trial.figures() == (0, 0, 0)
    assert wrong_in_the_ledger() == []


@pytest.mark.parametrize(("price", "charged"), [(45, 15), (10, -20), (30, 0), (0, -30)])
def test_an_adjustment_brings_a_call_to_its_price(
    customer: Payer, price: int, charged: int
) -> None:
    hold_id = customer.call(30)
    before = first_words(hold_id)

    assert post(hold_id, ADJUSTMENT, price).charged_micros == charged
    assert first_words(hold_id) == before
    assert charge_of(UUID(hold_id))[0] == price
    assert wrong_in_the_ledger() == []


def test_a_lower_price_takes_back_first_what_the_operator_bore(customer: Payer) -> None:
    borne = system_balance("absorbed")
    hold_id = customer.hold(100)
    customer.settle(hold_id, 130)
    customer.grant(50)

    figures = []
    for number, price in enumerate((120, 100, 140, 60, 130)):
        posted = post(hold_id, ADJUSTMENT, price, str(number))
        figures.append((posted.charged_micros, posted.absorbed_micros))
    assert figures == [(0, -10), (0, -20), (40, 0), (-80, 0), (70, 0)]
    assert system_balance("absorbed") == borne
    assert sums(customer) == (1, 0, 130, 0)
    assert wrong_in_the_ledger() == []


def test_a_refund_is_the_customers_and_leaves_what_the_operator_bore(
    customer: Payer,
) -> None:
    hold_id = customer.hold(100)
    customer.settle(hold_id, 130)

    posted = post(hold_id, REFUND, 40)
    assert (posted.charged_micros, posted.absorbed_micros) == (-40, 0)
    assert post(hold_id, ADJUSTMENT, 30).absorbed_micros == -30
    assert wrong_in_the_ledger() == []


def test_a_reference_stands_for_one_correction(customer: Payer) -> None:
    hold_id = customer.call(30)
    first = post(hold_id, REFUND, 10)
    again = post(hold_id, REFUND, 10)

    assert (again.correction_id, again.repeat) == (first.correction_id, True)
    with pytest.raises(errors.ReferenceConflict):
        post(hold_id, REFUND, 11)
    assert customer.figures() == (80, 0, 80)


@pytest.mark.parametrize(
    ("code", "statement"),
    [
        (
            "CORRECTION_MISMATCH",
            "UPDATE billing_correction SET absorbed_micros = absorbed_micros + 1 "
            "WHERE absorbed_micros < 0",
        ),
        (
            "TRANSFER_WITHOUT_CORRECTION",
            "UPDATE billing_transfer SET correction_id = NULL WHERE kind = 'relief'",
        ),
        (
            "OVERREFUND",
            "UPDATE billing_correction SET absorbed_micros = -31 "
            "WHERE absorbed_micros < 0",
        ),
    ],
)
def test_a_falsified_relief_is_found(
    customer: Payer, code: str, statement: str
) -> None:
    hold_id = customer.hold(100)
    customer.settle(hold_id, 130)
    post(hold_id, ADJUSTMENT, 110)

    assert code in found_after(statement)
