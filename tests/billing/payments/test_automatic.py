"""Automatic top-ups: when one is charged, when not, and what the owner is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from billing import accounts
from billing.models import AutoTopUp, Buyer, Consent, Event, TopUp
from billing.payments import automatic, errors, reconciliation, topups
from billing.payments.automatic import Agreed, NotAgreed, Terms
from billing.payments.report import Said
from billing.values.orders import CREDIT
from tests.support.ledger.buyers import Shop, credits_of, order, said, tell
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import Payer, wrong_in_the_ledger

TERMS = Terms(100 * CREDIT, 1000, 2500)  # 10 dollars each, 25 in a month


@pytest.fixture
def auto(buyer: Payer) -> AutoTopUp:
    """Turned on, with a card."""
    Buyer.objects.create(
        account_id=buyer.account_id,
        provider="stripe",
        customer_ref="cus_1",
        method_ref="pm_1",
    )
    return set_up(buyer)


def set_up(buyer: Payer, terms: Terms = TERMS) -> AutoTopUp:
    agreed = Agreed(automatic.consent_text(terms), "alice@example.com", "192.0.2.7")
    return automatic.set_up(buyer.account_id, terms, agreed)


def told(buyer: Payer) -> list[tuple[str, str]]:
    found = Event.objects.filter(account_id=buyer.account_id, type__startswith="auto")
    return [(each.type, each.data.get("reason", "")) for each in found.order_by("id")]


def of(buyer: Payer) -> AutoTopUp:
    return AutoTopUp.objects.get(account_id=buyer.account_id)


def spend_all(buyer: Payer) -> None:
    buyer.call(credits_of(buyer)[0] * CREDIT)


@pytest.fixture(autouse=True)
def ledger_stays_right(db: None) -> Iterator[None]:
    yield
    assert wrong_in_the_ledger() == []


def test_below_the_threshold_one_is_charged(
    buyer: Payer, auto: AutoTopUp, shop: Shop
) -> None:
    assert automatic.run_due(shop) == 1
    assert credits_of(buyer) == (1000, 0)
    assert automatic.run_due(shop) == 0  # enough now

    [topup] = TopUp.objects.all()
    assert (topup.is_automatic, topup.asked_by) == (True, "automatic top-up")
    assert shop.charged == [f"{topup.public_id}:1"]
    assert told(buyer) == [("auto_topup.succeeded", "")]


def test_each_attempt_has_a_key_of_its_own(
    buyer: Payer, auto: AutoTopUp, shop: Shop
) -> None:
    automatic.run_due(shop)
    spend_all(buyer)
    automatic.run_due(shop)
    assert len(set(shop.charged)) == 2


def test_the_consent_is_kept(buyer: Payer, auto: AutoTopUp) -> None:
    [consent] = Consent.objects.filter(account_id=buyer.account_id)
    assert consent.id == auto.consent_id
    assert (consent.person, consent.address) == ("alice@example.com", "192.0.2.7")
    assert "1000 credits for 10.00 USD" in consent.text
    assert "25.00 USD" in consent.text


def test_without_consent_to_these_words_nothing_is_turned_on(buyer: Payer) -> None:
    other = automatic.consent_text(Terms(100 * CREDIT, 2000, 2500))
    for words in ("", "yes", other):
        with pytest.raises(NotAgreed):
            automatic.set_up(buyer.account_id, TERMS, Agreed(words, "alice", ""))
    assert not AutoTopUp.objects.exists()


@pytest.mark.parametrize(
    "terms",
    [
        *(Terms(0, 1000, 2500), Terms(-1, 1000, 2500), Terms(10**16, 1000, 2500)),
        *(Terms(CREDIT, 0, 2500), Terms(CREDIT, 1000, 999), Terms(CREDIT, 1000, 10**9)),
    ],
)
def test_terms_that_make_no_sense(buyer: Payer, terms: Terms) -> None:
    with pytest.raises(errors.BadAmount):
        set_up(buyer, terms)
    assert not Consent.objects.exists()


def test_one_at_a_time(buyer: Payer, auto: AutoTopUp, shop: Shop) -> None:
    shop.is_down = True
    automatic.run_due(shop)
    assert automatic.order_if_due(buyer.account_id) is None
    assert TopUp.objects.count() == 1


def test_a_lost_answer_is_asked_for_again_under_the_same_key(
    buyer: Payer, auto: AutoTopUp, shop: Shop, clock: Clock
) -> None:
    shop.is_down = True
    automatic.run_due(shop)
    shop.is_down = False
    clock.advance(minutes=2)
    reconciliation.sweep(shop)
    [topup] = TopUp.objects.all()
    assert (topup.status, shop.charged) == ("paid", [f"{topup.public_id}:1"])


def test_a_decline_backs_off_and_leads_to_checkout(
    buyer: Payer, auto: AutoTopUp, shop: Shop, clock: Clock
) -> None:
    shop.declines = "card_declined"
    for number, pause in enumerate((1, 6, None)):
        assert automatic.run_due(shop) == 1
        assert automatic.run_due(shop) == 0
        assert TopUp.objects.filter(status="failed").count() == number + 1
        if pause is not None:
            clock.advance(minutes=60 * pause - 1)
            assert automatic.run_due(shop) == 0
            clock.advance(minutes=1)
    assert of(buyer).paused_for == "declined"
    clock.advance(minutes=60 * 24 * 9)
    assert automatic.run_due(shop) == 0
    assert told(buyer)[-1] == ("auto_topup.paused", "declined")
    failed = ("auto_topup.failed", "card_declined")
    assert told(buyer).count(failed) == 3
    assert credits_of(buyer) == (0, 0)

    shop.declines = ""
    by_hand = order(buyer, saves_method=True)
    tell(said(by_hand, Said.PAID, customer_ref="cus_1"))
    assert (of(buyer).paused_for, of(buyer).failures) == ("", 0)
    spend_all(buyer)
    assert automatic.run_due(shop) == 1


@pytest.mark.parametrize("reason", ["authentication_required", "requires_action"])
def test_any_card_error_counts_as_a_decline(
    buyer: Payer, auto: AutoTopUp, shop: Shop, reason: str
) -> None:
    shop.declines = reason
    automatic.run_due(shop)
    assert (of(buyer).failures, told(buyer)) == (1, [("auto_topup.failed", reason)])


def test_without_a_card_somebody_has_to_pay_first(buyer: Payer, shop: Shop) -> None:
    set_up(buyer)
    automatic.run_due(shop)
    assert of(buyer).paused_for == "no_card"
    assert told(buyer)[-1] == ("auto_topup.paused", "no_card")
    assert shop.charged == []


def test_the_card_of_the_last_payment_is_found(buyer: Payer, shop: Shop) -> None:
    paid = order(buyer, saves_method=True)
    tell(said(paid, Said.PAID, customer_ref="cus_1"))
    spend_all(buyer)
    set_up(buyer)
    assert automatic.run_due(shop) == 1
    assert Buyer.objects.get().method_ref == "pm_1"


def test_no_more_than_agreed_in_a_month(
    buyer: Payer, auto: AutoTopUp, shop: Shop, clock: Clock
) -> None:
    clock.moment = (START + timedelta(days=32)).replace(day=10)
    for _ in range(2):
        automatic.run_due(shop)
        spend_all(buyer)
        clock.advance(minutes=60 * 24)
    assert automatic.run_due(shop) == 0
    assert told(buyer)[-1] == ("auto_topup.paused", "month_max")
    assert automatic.run_due(shop) == 0
    assert told(buyer).count(("auto_topup.paused", "month_max")) == 1
    clock.moment += timedelta(days=32)
    assert automatic.run_due(shop) == 1


def test_a_burst_is_stopped(buyer: Payer, auto: AutoTopUp, shop: Shop) -> None:
    set_up(buyer, Terms(100 * CREDIT, 1000, 99_000))
    for _ in range(3):
        assert automatic.run_due(shop) == 1
        spend_all(buyer)
    assert automatic.run_due(shop) == 0
    assert of(buyer).paused_for == "too_many"
    assert automatic.resume(buyer.account_id)


def test_what_is_turned_off_or_suspended_is_not_charged(
    buyer: Payer, auto: AutoTopUp, shop: Shop
) -> None:
    accounts.suspend(buyer.account_id)
    assert automatic.run_due(shop) == 0
    accounts.reopen(buyer.account_id)
    assert automatic.turn_off(buyer.account_id)
    assert automatic.run_due(shop) == 0
    assert not TopUp.objects.exists()


def test_an_amount_that_is_not_sold_any_more(
    buyer: Payer, auto: AutoTopUp, shop: Shop, settings: Any
) -> None:
    settings.PAYMENT_CURRENCY = "eur"
    assert automatic.run_due(shop) == 0
    assert of(buyer).paused_for == "not_sold"
    assert (
        topups.paid_between(buyer.account_id, START, START + timedelta(days=400)) == []
    )
