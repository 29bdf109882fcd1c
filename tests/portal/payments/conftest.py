"""A shop that takes cards, as far as its settings go, and an order in it."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from billing.models import TopUp
from billing.payments import prices, topups
from portal.models import Organization
from tests.support.portal.stripe_events import SECRET


@pytest.fixture
def selling(settings: Settings) -> Settings:
    settings.STRIPE_WEBHOOK_SECRET = SECRET
    return settings


@pytest.fixture
def topup(organization: Organization, selling: Settings) -> TopUp:
    """1,000 credits for 10 dollars, brought to Stripe, pending."""
    wanted = topups.Wanted(prices.offer(credits=1000))
    made = topups.start(organization.account_id, wanted, key="k", asked_by="alice")
    ref = f"cs_{made.id.hex}"
    return topups.begun(made.id, provider_ref=ref, pay_url="https://x", attempt=1)
