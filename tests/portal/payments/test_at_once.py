"""The same event, and the same call, in 16 threads: one credit. Costs 2 s."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections

from billing.models import Grant, PaymentEvent, TopUp
from billing.payments import prices, topups
from portal.models import AuditEvent, Organization
from portal.tenants.topups import Order, buy
from tests.support.cast import actor_of, make_organization, make_user
from tests.support.portal.stripe_events import event, post, session

THREADS = 16

pytestmark = pytest.mark.usefixtures("committed_db", "selling")


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """What it returned, or raised, in each thread."""
    start, found = Barrier(THREADS), list[Any]()

    def run(number: int) -> None:
        try:
            start.wait(30)
            found.append(work(number))
        except Exception as error:  # noqa: BLE001  the test looks at it
            found.append(error)
        finally:
            connections.close_all()

    threads = [Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return found


@pytest.fixture
def shop() -> Organization:
    owner = make_user(f"{uuid4().hex}@example.com")
    return make_organization(f"Shop {uuid4().hex[:8]}", owner, credits=0)


def order(shop: Organization) -> TopUp:
    wanted = topups.Wanted(prices.offer(credits=1000))
    return topups.start(shop.account_id, wanted, key="k", asked_by="a test")


def granted(shop: Organization) -> int:
    return Grant.objects.filter(account_id=shop.account_id).count()


def test_the_same_event_is_credited_once(shop: Organization) -> None:
    topup, name = order(shop), f"evt_{uuid4().hex}"
    told = event(session(topup), event_id=name)

    assert at_once(lambda _: post(told)) == [200] * THREADS
    assert granted(shop) == 1
    assert PaymentEvent.objects.filter(event_id=name).count() == 1
    written = AuditEvent.objects.filter(organization=shop, action="topup.paid")
    assert written.count() == 1


def test_events_of_one_payment_are_credited_once(shop: Organization) -> None:
    """Each another Event object, for the same change."""
    topup, name = order(shop), f"evt_{uuid4().hex}"
    paid = session(topup)

    def tell(number: int) -> int:
        return post(event(paid, event_id=f"{name}_{number}"))

    assert at_once(tell) == [200] * THREADS
    assert granted(shop) == 1


def test_an_event_of_no_order_is_kept_once(shop: Organization) -> None:
    name = f"evt_{uuid4().hex}"
    refund = {"payment_intent": f"pi_{uuid4().hex}", "amount_refunded": 5}
    told = event(refund | {"currency": "usd"}, "charge.refunded", name)

    assert at_once(lambda _: post(told)) == [200] * THREADS
    assert PaymentEvent.objects.filter(event_id=name).count() == 1
    PaymentEvent.objects.filter(event_id=name).delete()


def test_the_same_call_is_one_top_up(shop: Organization) -> None:
    actor = actor_of(shop.memberships.get().user)
    wanted = Order(credits=1000, provider="manual")

    found = at_once(lambda _: buy(shop, wanted, key="same", actor=actor).id)
    assert len(set(found)) == 1, found
    assert TopUp.objects.filter(account_id=shop.account_id).count() == 1
    written = AuditEvent.objects.filter(organization=shop, action="topup.start")
    assert written.count() == 1


def test_payments_of_one_organization_at_once_have_a_receipt_each(
    shop: Organization,
) -> None:
    wanted = topups.Wanted(prices.offer(credits=1000))
    orders = [
        topups.start(shop.account_id, wanted, key=f"{number}", asked_by="a test")
        for number in range(THREADS)
    ]

    def tell(number: int) -> int:
        name = f"evt_{orders[number].id.hex}"
        return post(event(session(orders[number]), event_id=name))

    assert at_once(tell) == [200] * THREADS
    paid = TopUp.objects.filter(account_id=shop.account_id)
    assert len(set(paid.values_list("receipt_number", flat=True))) == THREADS
    assert granted(shop) == THREADS
