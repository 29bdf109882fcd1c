"""Events of one top-up, in every order and twice: the same end, and credits once."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from django.db import transaction

from billing.models import Event, PaymentEvent, TopUp
from billing.payments.report import Report, Said
from tests.support.ledger.buyers import (
    LOST,
    OPEN,
    WON,
    credits_of,
    order,
    said,
    tell,
)
from tests.support.ledger.payers import Payer, wrong_in_the_ledger

REFUND = {"refunded_minor": 400}
WHOLE = {"refunded_minor": 1000}
DISPUTE = {"disputed_minor": 1000}
# What is said in the end, and then: status, credits, the least number of amendments.
SETS: dict[str, tuple[list[tuple[Said, dict[str, Any]]], str, int]] = {
    "paid after a failure": (
        [(Said.UNPAID, {}), (Said.FAILED, {"reason": "late"}), (Said.PAID, {})],
        "paid",
        1000,
    ),
    "failed and expired": ([(Said.EXPIRED, {}), (Said.FAILED, {})], "failed", 0),
    "refunded by parts": (
        [(Said.PAID, {}), (Said.REFUNDED, REFUND), (Said.REFUNDED, WHOLE)],
        "refunded",
        0,
    ),
    "refunded in part": (
        [(Said.PAID, {}), (Said.REFUNDED, REFUND), (Said.EXPIRED, {})],
        "paid",
        600,
    ),
    "disputed, and not decided": (
        [(Said.PAID, {}), (Said.DISPUTED, DISPUTE | {"dispute": OPEN})],
        "disputed",
        0,
    ),
    "a second dispute after one that was won": (
        [
            (Said.PAID, {}),
            (Said.DISPUTED, DISPUTE | {"dispute": WON, "dispute_ref": "du_1"}),
            (Said.DISPUTED, DISPUTE | {"dispute": OPEN, "dispute_ref": "du_1"}),
            (Said.DISPUTED, DISPUTE | {"dispute": OPEN, "dispute_ref": "du_2"}),
        ],
        "disputed",
        0,
    ),
    "disputed and lost": (
        [
            (Said.PAID, {}),
            (Said.DISPUTED, DISPUTE | {"dispute": OPEN}),
            (Said.DISPUTED, DISPUTE | {"dispute": LOST}),
        ],
        "disputed",
        0,
    ),
    "disputed and won, a part refunded": (
        [
            (Said.PAID, {}),
            (Said.REFUNDED, REFUND),
            (Said.DISPUTED, DISPUTE | {"dispute": OPEN}),
            (Said.DISPUTED, DISPUTE | {"dispute": WON}),
        ],
        "paid",
        600,
    ),
}


# PostgreSQL's run has no need of the sets of which there are 24 orders: what is written
# for one event is written in the others' orders, too.
FEW = 3


@pytest.mark.parametrize("named", [True, False], ids=["named", "by payment"])
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.once] * (len(events) > FEW))
        for name, (events, *_) in SETS.items()
    ],
)
def test_every_order_of_events_has_the_same_end(
    buyer: Payer, name: str, named: bool
) -> None:
    """Twice each. Where refunds name only their payment, they wait for it."""
    events, status, credits = SETS[name]
    for arranged in permutations(events):
        with transaction.atomic():
            topup = order(buyer)
            for number, (what, more) in enumerate((*arranged, *arranged)):
                is_unnamed = not named and what in (Said.REFUNDED, Said.DISPUTED)
                hidden = {"topup_id": "", "account_id": ""} if is_unnamed else {}
                tell(said(topup, what, **more | hidden), f"evt_{number}")
            topup.refresh_from_db()
            assert (topup.status, credits_of(buyer)) == (status, (credits, 0)), arranged
            waiting = PaymentEvent.objects.filter(state="waiting")
            assert not waiting.exists()
            assert wrong_in_the_ledger() == []
            transaction.set_rollback(True)


def test_what_was_spent_before_a_refund_is_owed(buyer: Payer) -> None:
    topup = order(buyer)
    tell(said(topup, Said.PAID))
    buyer.call(700_000_000)
    tell(said(topup, Said.REFUNDED, **WHOLE))

    assert credits_of(buyer) == (0, 700)
    assert wrong_in_the_ledger() == []


def test_two_events_for_one_change_are_one(buyer: Payer) -> None:
    topup = order(buyer)
    report = said(topup, Said.PAID)
    assert [tell(report, "evt_a"), tell(report, "evt_b")] == ["applied", "applied"]

    assert credits_of(buyer) == (1000, 0)
    told = Event.objects.filter(account_id=buyer.account_id, type="topup.paid")
    assert told.count() == 1
    assert TopUp.objects.get().receipt_number is not None


def test_the_same_event_again_says_what_it_was(buyer: Payer) -> None:
    topup = order(buyer)
    wrong: Report = said(topup, Said.PAID, amount_minor=1)
    assert tell(wrong, "evt_a") == "quarantined"
    assert tell(wrong, "evt_a") == "quarantined"
    assert tell(said(topup, Said.PAID), "evt_b") == "applied"
