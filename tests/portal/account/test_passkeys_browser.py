"""Passkeys in a real browser, with an authenticator of its own; and axe on the pages
of signing in. Costs a browser, about 15 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal
from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
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


def test_axe_finds_nothing_on_the_pages_of_an_account(
    live_gateway: Gateway, erin: User, page: Page
) -> None:
    root = live_gateway.url.replace("127.0.0.1", "localhost")
    for path in ("sign-in", "sign-up", "password/reset"):
        page.goto(f"{root}/account/{path}")
        check(page)
    browser.sign_in(page, root, erin.email, PASSWORD)
    for path in ("", "email", "password", "app", "passkeys/new", "second-factor"):
        page.goto(f"{root}/account/{path}")
        check(page)


def check(page: Page) -> None:
    """Light and narrow, dark and wide."""
    looks: tuple[tuple[Literal["light", "dark"], int], ...]
    looks = (("light", 320), ("dark", 1280))
    for scheme, width in looks:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        found = Axe().run(page)
        assert found.violations_count == 0, f"{page.url}\n{found.generate_report()}"
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{page.url} is {wide} wide"
