"""Random orders, payments, refunds, disputes and losses: after one sweep the credits
that were granted are the money that was taken, in the sandbox's own journal.

`PAYMENT_RUNS` says how many runs; `make endure` has 200. Costs 0.3 s each.
"""

from __future__ import annotations

import os

import pytest
from django.db import transaction

from billing.models import PaymentEvent
from portal.models import Organization
from tests.support.ledger.payers import wrong_in_the_ledger
from tests.support.payments_sandbox import Stripe
from tests.support.portal.card_shop import CardShop, Chaos
from tests.support.seeds import drawn

RUNS = int(os.environ.get("PAYMENT_RUNS", "6"))
STEPS = 40


@pytest.mark.usefixtures("selling")
def test_what_was_taken_is_what_was_granted(organization: Organization) -> None:
    chance = drawn("PAYMENT_SEED")
    paid = taken_back = 0
    for _ in range(RUNS):
        with Stripe() as sandbox, transaction.atomic():
            shop = CardShop(organization, sandbox)
            chaos = Chaos(shop, chance)
            chaos.run(STEPS)
            chaos.end()
            assert shop.granted() == shop.owed()
            assert not PaymentEvent.objects.filter(
                state__in=["quarantined", "waiting"]
            ).exists()
            assert wrong_in_the_ledger() == []
            paid += len(shop.granted())
            taken_back += sum(taken > 0 for _, taken in shop.granted().values())
            transaction.set_rollback(True)
    if RUNS >= 6:
        assert min(paid, taken_back) > 0, "the runs did nothing"
