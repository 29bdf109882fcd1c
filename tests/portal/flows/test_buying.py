"""An owner buys credits at the payment provider's page and sees the balance rise, with
scripts and without. Costs a browser and a gateway, about 15 s."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from billing.reports.balance import balance_of
from billing.values.orders import CREDIT
from portal.models import Organization, User
from tests.support.cast import PASSWORD
from tests.support.payments_sandbox import Stripe
from tests.support.portal import axe, browser
from tests.support.portal.ways import Clicks
from tests.support.services.gateway import Gateway
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.once, pytest.mark.timeout(600)]

PACK = 5000


def order(page: Page, clicks: Clicks) -> None:
    """A pack, up to the provider's page."""
    clicks.link("Buy credits")
    page.get_by_label("5,000 credits for 48.00 USD").check()
    page.get_by_label("Company or person").fill("Gates & Sons")
    clicks.button("Order")
    expect(page.get_by_text("not paid yet")).to_be_visible()
    clicks.link("Continue to payment")
    expect(page.get_by_role("heading", name="Pay (sandbox)")).to_be_visible()


def available(team: Organization) -> int:
    return balance_of(team.account_id).available_micros // CREDIT


@pytest.mark.parametrize("scripts", [True, False])
def test_an_owner_buys_credits(
    gate: Gateway,
    till: Stripe,
    owner: User,
    team: Organization,
    chromium: str,
    scripts: bool,
) -> None:
    before = available(team)
    taken = till.taken().get("usd", 0)
    with browser.browsing(chromium, java_script_enabled=scripts) as context:
        page = context.new_page()
        clicks = Clicks(page)
        browser.sign_in(page, gate.url, owner.email, PASSWORD)
        said = browser.complaints(page)
        order(page, clicks)
        page.get_by_label("Tax id (may stay empty)").fill("DE123456789")
        clicks.button("Pay")
        expect(page.get_by_role("heading", name="5,000 credits")).to_be_visible()
        if not scripts:
            # A person comes back a moment later.
            wait_for(till.state.deliveries.is_idle)
            page.reload()
        expect(page.get_by_text("5,000 credits were granted")).to_be_visible(
            timeout=30_000
        )
        page.get_by_role("link", name=re.compile("Receipt [0-9]+")).click()
        expect(page.get_by_text("Gates & Sons")).to_be_visible()
        clicks.link("Credits")
        what = page.get_by_text("Available", exact=True).locator("+ dd")
        expect(what).to_have_text(f"{before + PACK:,}")
        assert said == []
    assert available(team) == before + PACK
    # Money taken is credits granted: a pack of 48.00.
    assert till.taken()["usd"] - taken == 4800


def test_a_declined_buyer_finds_the_way_back(
    gate: Gateway, till: Stripe, owner: User, team: Organization, chromium: str
) -> None:
    before = available(team)
    with browser.browsing(chromium) as context:
        page = context.new_page()
        clicks = Clicks(page)
        browser.sign_in(page, gate.url, owner.email, PASSWORD)
        order(page, clicks)
        clicks.button("Pay with a card that is declined")
        expect(page.get_by_role("alert")).to_have_text("Your card was declined.")
        clicks.button("Back to the shop")
        expect(page.get_by_text("not paid yet")).to_be_visible()
        assert axe.look(page) == []
        clicks.link("Continue to payment")
        clicks.button("Pay with 3-D Secure")
        clicks.button("Complete authentication")
        expect(page.get_by_text("5,000 credits were granted")).to_be_visible(
            timeout=30_000
        )
    assert available(team) == before + PACK
