"""Passkeys in a real browser, with an authenticator of its own. Costs a browser, about
10 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from portal.models import User
from tests.support.cast import PASSWORD, make_organization, make_user
from tests.support.portal import browser
from tests.support.services.gateway import Gateway

pytestmark = [pytest.mark.once, pytest.mark.timeout(900)]
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(autouse=True)
def quick_hashes() -> None:
    """Not here: the server is another process, and hashes as it does."""


@pytest.fixture
def erin(committed_db: None) -> User:
    user = make_user(f"erin-{uuid4().hex[:8]}@example.com", PASSWORD)
    make_organization(f"Keys {uuid4().hex[:8]}", user)
    return user


@pytest.fixture
def page(live_gateway: Gateway, chromium: str, erin: User) -> Iterator[Page]:
    with browser.browsing(chromium) as context:
        yield context.new_page()


def test_a_passkey_is_added_and_signs_in(
    live_gateway: Gateway, erin: User, page: Page
) -> None:
    said = browser.complaints(page)
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    # A browser keeps passkeys for names only.
    url = live_gateway.url.replace("127.0.0.1", "localhost")

    browser.sign_in(page, url, erin.email, PASSWORD)
    page.get_by_title("Your account").click()
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill("work laptop")
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    expect(page.locator("#codes li")).to_have_count(10)
    page.get_by_role("link", name="I have saved them").click()
    expect(page.get_by_role("row", name="work laptop")).to_be_visible()

    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/o/**")

    # After the password it is the second step.
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_label("E-mail address").fill(erin.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/o/**")
    assert said == []
