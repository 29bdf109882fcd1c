"""Refunds that the operator starts: money goes back once, and its credits with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from billing.models import Event, TopUp, TopUpRefund
from billing.payments import errors, intake
from portal.models import AuditEvent, Organization
from portal.operator import payments
from proxy.payments_sandbox import charges
from tests.support.cast import OPERATOR
from tests.support.ledger.payers import wrong_in_the_ledger
from tests.support.payments_sandbox import Stripe
from tests.support.portal.bought import make_paid, make_topup
from tests.support.portal.card_shop import CardShop

pytestmark = pytest.mark.once


@pytest.fixture
def shop(organization: Organization, selling: Settings) -> Iterator[CardShop]:
    with Stripe() as sandbox:
        yield CardShop(organization, sandbox)
    assert wrong_in_the_ledger() == []


@pytest.fixture
def paid(shop: CardShop) -> TopUp:
    """1,000 credits for 10 dollars, by card."""
    topup = shop.buy()
    shop.press(topup)
    shop.deliver()
    return topup


def pay_back(
    shop: CardShop, topup: TopUp, amount: str = "", **more: Any
) -> TopUpRefund:
    given: dict[str, Any] = {"reference": "r1", "reason": "asked for"} | more
    return payments.refund(
        topup.public_id, amount, actor=OPERATOR, source=shop.source, **given
    )


def returned(shop: CardShop) -> list[int]:
    return [
        entry["amount"]
        for entry in shop.sandbox.state.journal.entries
        if entry["kind"] == "returned"
    ]


def stands(shop: CardShop, topup: TopUp) -> tuple[str, int]:
    shop.deliver()
    topup.refresh_from_db()
    assert shop.granted() == shop.owed()
    return topup.status, topup.taken_micros // 1_000_000


def test_a_part_goes_back_and_then_the_rest(shop: CardShop, paid: TopUp) -> None:
    for _ in range(2):  # the second time by the same reference
        made = pay_back(shop, paid, "2.50")
        assert (made.state, made.amount_minor) == ("done", 250)
    assert stands(shop, paid) == ("paid", 250)
    assert pay_back(shop, paid, reference="r2").amount_minor == 750
    assert stands(shop, paid) == ("refunded", 1000)
    assert returned(shop) == [250, 750]
    rows = AuditEvent.objects.filter(action="topup.refund").order_by("id")
    assert [row.detail["amount_minor"] for row in rows] == [250, 750]
    assert {row.target for row in rows} == {paid.public_id}
    told = Event.objects.filter(type="topup.refunded").order_by("id")
    assert [event.data["refunded_minor"] for event in told] == [250, 1000]
    became = AuditEvent.objects.filter(action="topup.refunded").order_by("id")
    assert [(row.detail["before"], row.detail["refunded_minor"]) for row in became] == [
        ("paid", 250),
        ("paid", 1000),
    ]


@pytest.mark.parametrize(
    ("amount", "more", "error"),
    [
        ("0", {}, errors.BadRefund),
        ("10.01", {}, errors.BadRefund),
        ("-1", {}, errors.BadAmount),
        ("1.005", {}, errors.BadAmount),
        ("1e2", {}, errors.BadAmount),
        ("٥", {}, errors.BadAmount),
        ("5 USD", {}, errors.BadAmount),
        ("9" * 400, {}, errors.BadAmount),
        ("1", {"reference": " "}, errors.BadRefund),
        ("1", {"reference": "x" * 201}, errors.BadRefund),
        ("1", {"reason": "a\nb"}, errors.BadRefund),
    ],
)
def test_a_bad_refund_changes_nothing(
    shop: CardShop, paid: TopUp, amount: str, more: Any, error: type[Exception]
) -> None:
    before = AuditEvent.objects.count()
    with pytest.raises(error):
        pay_back(shop, paid, amount, **more)
    assert (returned(shop), TopUpRefund.objects.count()) == ([], 0)
    assert AuditEvent.objects.count() == before


def test_what_stands_otherwise_is_not_paid_back(shop: CardShop, paid: TopUp) -> None:
    with pytest.raises(errors.NotPaid, match="pending"):
        pay_back(shop, shop.buy())
    with pytest.raises(errors.UnknownTopUp):
        payments.refund("topup_1", reference="r", reason="x", actor=OPERATOR)
    pay_back(shop, paid, "2")
    with pytest.raises(errors.KeyReused):
        pay_back(shop, paid, "3")
    shop.deliver()
    with shop.sandbox.state.lock:
        [charge] = shop.sandbox.state.all_of("charge")
        charges.open_dispute(shop.sandbox.state, charge)
    # Nobody has told us yet: the provider refuses, and that is kept.
    refused = pay_back(shop, paid, "1", reference="r2")
    assert (refused.state, refused.provider_ref) == ("refused", "")
    assert "charge_disputed" in refused.why
    assert stands(shop, paid) == ("disputed", 1000)
    with pytest.raises(errors.NotPaid, match="disputed"):
        pay_back(shop, paid, "1", reference="r3")
    assert returned(shop) == [200]


@pytest.mark.parametrize("fault", ["done-then-500", "done-then-cut", "cut", "500"])
def test_a_lost_answer_is_asked_for_again(
    shop: CardShop, paid: TopUp, fault: str
) -> None:
    shop.sandbox.sandbox.faults.plan(fault, method="POST")
    with pytest.raises(errors.ProviderDown):
        pay_back(shop, paid, "4")
    with pytest.raises(errors.BadRefund, match="6.00 USD"):
        pay_back(shop, paid, "7", reference="r2")
    shop.sandbox.sandbox.faults.clear()
    TopUpRefund.objects.update(look_at="2026-01-01T00:00:00Z")
    shop.sweep()
    assert TopUpRefund.objects.get().state == "done"
    assert returned(shop) == [400]
    assert stands(shop, paid) == ("paid", 400)


def test_one_that_was_done_long_ago_is_found(shop: CardShop, paid: TopUp) -> None:
    """The provider has forgotten our key: it is found by its name."""
    made = pay_back(shop, paid, "4")
    shop.sandbox.state.replies.clear()
    TopUpRefund.objects.update(state="asked", provider_ref="", look_at=paid.created_at)
    shop.sweep()
    assert returned(shop) == [400]
    assert TopUpRefund.objects.get().provider_ref == made.provider_ref


def fail(shop: CardShop) -> None:
    with shop.sandbox.state.lock:
        *_, made = shop.sandbox.state.all_of("refund")
        charges.fail_refund(shop.sandbox.state, made)


def test_one_that_failed_while_we_were_away_is_no_refund(
    shop: CardShop, paid: TopUp
) -> None:
    """Found by its name, it was taken for done."""
    pay_back(shop, paid, "4")
    fail(shop)
    TopUpRefund.objects.update(state="asked", provider_ref="", look_at=paid.created_at)
    shop.sweep()
    found = TopUpRefund.objects.get()
    assert (found.state, found.why) == ("refused", "the refund is failed")


@pytest.mark.parametrize("way", ["webhook", "sweep"])
def test_one_that_fails_later_is_listed_and_its_money_is_not_gone(
    shop: CardShop, paid: TopUp, way: str
) -> None:
    made = pay_back(shop, paid, "4")
    shop.deliver()
    fail(shop)
    shop.deliver() if way == "webhook" else shop.sweep()
    found = TopUpRefund.objects.get()
    assert (found.state, found.why) == ("refused", "It failed after it was made.")
    [listed] = intake.quarantined()
    assert made.provider_ref in listed.why


def test_what_was_done_and_not_told_yet_is_gone(shop: CardShop, paid: TopUp) -> None:
    """Of 10 dollars 5 were paid back, and "all that is left" asked for 10 more."""
    pay_back(shop, paid, "5")
    assert pay_back(shop, paid, reference="r2").amount_minor == 500
    with pytest.raises(errors.BadRefund):
        pay_back(shop, paid, reference="r3")
    assert returned(shop) == [500, 500]
    assert stands(shop, paid) == ("refunded", 1000)


def test_a_space_makes_no_other_reference(shop: CardShop, paid: TopUp) -> None:
    for reference in ("r1", " r1", "r1 "):
        pay_back(shop, paid, "4", reference=reference)
    assert returned(shop) == [400]


def test_a_bank_transfer_is_paid_back_by_hand(organization: Organization) -> None:
    topup = make_paid(organization)
    for _ in range(2):
        made = payments.refund(
            topup.public_id, "5.00", reference="r", reason="asked", actor=OPERATOR
        )
    assert made.state == "done"
    topup.refresh_from_db()
    assert (topup.refunded_minor, topup.taken_micros) == (500, 500_000_000)
    pending = make_topup(organization).public_id
    with pytest.raises(errors.NotPaid):
        payments.refund(pending, reference="r", reason="x", actor=OPERATOR)
