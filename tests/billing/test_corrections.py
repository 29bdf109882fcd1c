"""The one way to change what a call cost after its end: nothing posted is edited."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, connection, transaction

from billing import corrections, holds
from billing.corrections import NotCorrectable, Posted
from billing.models import Correction, Transfer
from billing.models.correction import CorrectionKind
from billing.reports.calls import charge_of, find_call, late_words
from billing.reports.spend import spend_by_day
from billing.values import errors
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import (
    Payer,
    doubts,
    system_balance,
    wrong_in_the_ledger,
)
from tests.support.ledger.posted import first_words, post, sums

LATE, REFUND = CorrectionKind.LATE, CorrectionKind.REFUND


def late_word(customer: Payer, price: int, **usage: int) -> tuple[str, UUID]:
    """A released call whose price came too late."""
    hold_id = customer.hold(30)
    customer.release(hold_id)
    customer.settle(hold_id, price, **usage)
    return hold_id, Correction.objects.get(hold_id=hold_id).id


def test_a_late_price_is_charged_when_the_operator_says_so(
    customer: Payer, clock: Clock
) -> None:
    hold_id, word_id = late_word(customer, 12, prompt_tokens=7)
    before = first_words(hold_id)
    clock.advance(hours=3)
    posted = corrections.charge(word_id, reason="the invoice")

    assert posted == Posted(word_id, 12, 0, 88)
    assert customer.figures() == (88, 0, 88)
    assert first_words(hold_id) == before
    [transfer] = Transfer.objects.filter(correction_id=word_id)
    assert (transfer.kind, transfer.hold_id) == ("usage", UUID(hold_id))
    assert sums(customer) == (1, 7, 12, 0)
    assert [each.charged_micros for each in spend_by_day(customer.account_id, days=1)]
    assert charge_of(UUID(hold_id)) == (12, "upstream")
    call = find_call(customer.account_id, UUID(hold_id))
    assert call is not None
    assert (call.state, call.charged_micros, call.price_micros) == ("released", 12, 12)
    assert late_words() == []
    assert wrong_in_the_ledger() == []


def test_it_is_charged_once(customer: Payer) -> None:
    _, word_id = late_word(customer, 12)
    first = corrections.charge(word_id, reason="the invoice")
    again = corrections.charge(word_id, reason="once more")

    assert (again.repeat, again.charged_micros) == (True, first.charged_micros)
    assert customer.figures() == (88, 0, 88)


def test_what_is_not_there_the_operator_bears(customer: Payer) -> None:
    borne = system_balance("absorbed")
    _, word_id = late_word(customer, 130)
    beside = customer.hold(20)
    posted = corrections.charge(word_id, reason="the invoice")

    assert (posted.charged_micros, posted.absorbed_micros) == (80, 50)
    assert system_balance("absorbed") == borne - 50
    customer.settle(beside, 20)
    assert customer.figures() == (0, 0, 0)
    assert wrong_in_the_ledger() == []


def test_a_doubt_whose_price_was_charged_is_none(customer: Payer) -> None:
    hold_id = customer.hold(30)
    customer.doubt(hold_id)
    holds.sweep(in_doubt_after=timedelta(0))
    customer.settle(hold_id, 12)
    assert hold_id in doubts()
    [(word, _)] = late_words()
    corrections.charge(word.id, reason="the invoice")

    assert hold_id not in doubts()
    assert sums(customer) == (1, 0, 12, 0)  # it was counted when its doubt was closed
    assert charge_of(UUID(hold_id)) == (12, "upstream")


def test_each_word_names_the_whole_price(customer: Payer) -> None:
    hold_id = customer.hold(30)
    customer.release(hold_id)
    for price in (12, 15, 9):
        customer.settle(hold_id, price)
    words = Correction.objects.filter(hold_id=hold_id)
    for price, charged in ((12, 12), (15, 3), (9, -6)):
        word = words.get(said_micros=price)
        assert corrections.charge(word.id, reason="x").charged_micros == charged

    assert customer.figures() == (91, 0, 91)
    assert sums(customer)[::2] == (1, 9)
    assert wrong_in_the_ledger() == []


def test_what_was_dismissed_stays_on_record_and_is_never_charged(
    customer: Payer,
) -> None:
    _, word_id = late_word(customer, 12)
    corrections.dismiss(word_id, reason="goodwill")

    assert Correction.objects.get(id=word_id).reason == "goodwill"
    for act in (corrections.charge, corrections.dismiss):
        with pytest.raises(NotCorrectable):
            act(word_id, reason="x")
    assert customer.figures() == (100, 0, 100)
    assert late_words() == []
    assert wrong_in_the_ledger() == []


# --- what is refused ----------------------------------------------------------------


@pytest.mark.parametrize("end", ["hold", "doubt"])
def test_a_call_that_has_not_ended_is_settled_not_corrected(
    customer: Payer, end: str
) -> None:
    hold_id = customer.hold(30)
    if end == "doubt":
        customer.doubt(hold_id)
    with pytest.raises(NotCorrectable):
        post(hold_id, LATE, 10)
    assert customer.figures() == (100, 30, 70)


@pytest.mark.parametrize("micros", [-1, 10**15 + 1, True, 1.0, "1"])
def test_senseless_amounts_are_refused(customer: Payer, micros: object) -> None:
    hold_id = customer.call(30)
    for kind in CorrectionKind:
        with pytest.raises(ValueError, match="amount"):
            post(hold_id, kind, micros)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="amount"):
        post(hold_id, REFUND, 0)


def test_what_nobody_knows_is_refused(customer: Payer) -> None:
    with pytest.raises(errors.UnknownHold):
        post(uuid4().hex, REFUND, 1)
    for act in (corrections.charge, corrections.dismiss):
        with pytest.raises(NotCorrectable):
            act(uuid4(), reason="x")


def test_a_mere_sign_of_life_has_no_price(customer: Payer) -> None:
    hold_id = customer.hold(30)
    customer.release(hold_id)
    customer.entrust(hold_id, 30)
    [(word, _)] = late_words()
    with pytest.raises(NotCorrectable):
        corrections.charge(word.id, reason="x")
    corrections.dismiss(word.id, reason="it failed after all")
    assert wrong_in_the_ledger() == []


@pytest.mark.parametrize("change", ["said_micros = 1", "state = 'pending'"])
def test_what_was_posted_is_never_edited(customer: Payer, change: str) -> None:
    _, word_id = late_word(customer, 12)
    corrections.charge(word_id, reason="the invoice")
    for statement in (f"UPDATE billing_correction SET {change}", "DELETE FROM {0}"):
        sql = statement.format("billing_correction") + f" WHERE id = '{word_id.hex}'"
        with (
            pytest.raises(DatabaseError, match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)
