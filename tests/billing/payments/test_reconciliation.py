"""What no webhook told is asked for; what the provider says otherwise is listed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from billing.models import PaymentEvent, PaymentLook, TopUp
from billing.payments import errors, orders, reconciliation, topups
from billing.payments.provider import Told
from billing.payments.report import Said
from tests.support.ledger.buyers import Shop, credits_of, order, said, tell
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import Payer, wrong_in_the_ledger


@pytest.fixture
def brought(buyer: Payer, shop: Shop) -> TopUp:
    """An order that the provider knows."""
    return orders.bring(order(buyer), shop)


def sweep(shop: Shop, clock: Clock) -> None:
    clock.advance(minutes=2)
    reconciliation.sweep(shop)


def test_a_lost_webhook_is_made_up_for_within_one_sweep(
    buyer: Payer, brought: TopUp, shop: Shop, clock: Clock
) -> None:
    paid = shop.pay(brought)
    sweep(shop, clock)
    assert credits_of(buyer) == (1000, 0)
    assert tell(paid) == "applied"  # the webhook comes after all
    sweep(shop, clock)
    assert credits_of(buyer) == (1000, 0)
    assert wrong_in_the_ledger() == []


def test_a_lost_event_is_read_from_the_providers_list(
    buyer: Payer, brought: TopUp, shop: Shop, clock: Clock
) -> None:
    tell(said(brought, Said.PAID, provider_ref=brought.provider_ref))
    refund = said(brought, Said.REFUNDED, refunded_minor=400)
    refund = replace(refund, happened_at=clock.moment)
    shop.told.append(Told("evt_r", "charge.refunded", clock.moment, refund))
    sweep(shop, clock)
    assert credits_of(buyer) == (600, 0)
    clock.advance(minutes=60)
    sweep(shop, clock)
    assert PaymentEvent.objects.filter(event_id="evt_r").count() == 1
    assert PaymentLook.objects.get().read_until == clock.moment


def test_after_a_failed_read_the_same_time_is_read_again(
    buyer: Payer, brought: TopUp, shop: Shop, clock: Clock
) -> None:
    reconciliation.sweep(shop)
    shop.pay(brought)
    paid = shop.orders[brought.provider_ref][0]
    shop.told.append(Told("evt_p", "paid", clock.moment, paid))
    shop.is_down = True
    for _ in range(3):
        clock.advance(minutes=60)
        sweep(shop, clock)
    assert credits_of(buyer) == (0, 0)
    shop.is_down = False
    sweep(shop, clock)
    assert PaymentEvent.objects.get().event_id == "evt_p"
    assert credits_of(buyer) == (1000, 0)


def test_an_order_that_the_provider_never_heard_of_is_brought_again(
    buyer: Payer, shop: Shop, clock: Clock
) -> None:
    """The process ended between the row and the call, or before the answer."""
    topup = order(buyer)
    sweep(shop, clock)
    topup.refresh_from_db()
    assert topup.provider_ref == f"cs_{topup.id.hex}_1"


def test_what_nobody_ever_saw_expires(buyer: Payer, shop: Shop, clock: Clock) -> None:
    topup = order(buyer)
    clock.advance(minutes=60 * 24)
    sweep(shop, clock)
    topup.refresh_from_db()
    assert (topup.status, shop.orders) == ("expired", {})


def test_an_order_is_asked_about_less_and_less_often(
    brought: TopUp, shop: Shop, clock: Clock
) -> None:
    for _ in range(600):
        clock.advance(minutes=1)
        reconciliation.sweep(shop)
    brought.refresh_from_db()
    assert brought.looks < 20
    assert brought.look_at is not None
    assert brought.look_at <= clock.moment + timedelta(hours=1)


def test_a_provider_who_is_down_leaves_the_order_as_it_is(
    buyer: Payer, shop: Shop
) -> None:
    shop.is_down = True
    topup = order(buyer)
    with pytest.raises(errors.ProviderDown):
        orders.bring(topup, shop)
    topup.refresh_from_db()
    assert topup.status == "pending"
    shop.is_down = False
    assert orders.bring(topup, shop).pay_url.startswith("https://pay.example/")


def test_drift_is_listed(buyer: Payer, brought: TopUp, shop: Shop) -> None:
    assert reconciliation.drift(shop) == []
    shop.pay(brought)
    [found] = reconciliation.drift(shop)
    assert (found.topup_id, found.ours, found.theirs) == (
        brought.id,
        "not paid",
        "paid 1000",
    )
    tell(said(brought, Said.PAID, provider_ref=brought.provider_ref))
    assert reconciliation.drift(shop) == []
    shop.orders[brought.provider_ref] = []
    assert [each.theirs for each in reconciliation.drift(shop)] == ["not paid"]


def test_a_bank_transfer_is_paid_once_and_by_its_own_payment(buyer: Payer) -> None:
    first, second = (order(buyer, provider="manual") for _ in range(2))
    for _ in range(2):
        topups.mark_paid(first.id, payment_ref="bank 1", by="operator")
    assert credits_of(buyer) == (1000, 0)
    with pytest.raises(Exception, match="another top-up"):
        topups.mark_paid(second.id, payment_ref="bank 1", by="operator")
    with pytest.raises(errors.NotPending):
        topups.mark_paid(first.id, payment_ref="bank 2", by="operator")
    assert credits_of(buyer) == (1000, 0)
    topups.refuse(second.id, reason="nothing came", by="operator")
    with pytest.raises(errors.NotPending):
        topups.mark_paid(second.id, payment_ref="bank 3", by="operator")
    topups.refund(first.id, 500, by="operator")
    assert credits_of(buyer) == (500, 0)


def test_a_card_payment_is_nobodys_to_approve(buyer: Payer) -> None:
    topup = order(buyer)
    with pytest.raises(errors.NotPending):
        topups.mark_paid(topup.id, payment_ref="bank 1", by="operator")
    with pytest.raises(errors.NotPending):
        topups.refuse(topup.id, reason="no", by="operator")
