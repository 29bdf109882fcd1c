"""In a real browser, over the real server: one journey, and axe on every page."""

from __future__ import annotations

from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from portal.models import Organization, User
from portal.tenants import key_format
from tests.support.cast import (
    PASSWORD,
    make_call,
    make_key,
    make_organization,
    make_user,
)
from tests.support.portal import browser
from tests.support.services.gateway import Gateway

CLIPBOARD = ["clipboard-read", "clipboard-write"]
OF_A_KEY = ("", "rotate", "revoke", "limits", "leaked/", "seen")
pytestmark = [pytest.mark.once, pytest.mark.timeout(900)]


@pytest.fixture
def carol(committed_db: None) -> User:
    """Committed, so that the server sees her: an owner with a password."""
    return make_user(f"carol-{uuid4().hex[:8]}@example.com", PASSWORD)


@pytest.fixture
def workshop(carol: User) -> Organization:
    return make_organization(f"Workshop {uuid4().hex[:8]}", carol)


def test_from_sign_in_to_a_key_and_its_end(
    live_gateway: Gateway, carol: User, workshop: Organization, chromium: str
) -> None:
    with browser.browsing(chromium, permissions=CLIPBOARD) as context:
        page = context.new_page()
        said = browser.complaints(page)
        browser.sign_in(page, live_gateway.url, carol.email, PASSWORD)

        page.get_by_role("link", name="Create your first key").click()
        page.get_by_label("Name").fill("checkout service")
        page.get_by_role("button", name="Create key").click()

        secret = page.locator("#secret").inner_text()
        assert key_format.is_well_formed(secret)
        page.get_by_role("button", name="Copy key").click()
        expect(page.locator("[data-copied]")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == secret
        assert f'api_key="{secret}"' in snippet(page, "Python")

        page.get_by_role("link", name="I have saved it").click()
        expect(page.get_by_role("heading", name="checkout service")).to_be_visible()
        page.get_by_role("link", name="API keys").click()
        row = page.get_by_role("row", name="checkout service")
        expect(row).to_contain_text("active")
        assert secret[17:49] not in page.content()

        row.get_by_role("link", name="checkout service").click()
        page.get_by_role("link", name="Revoke").click()
        page.get_by_label("Type the key's name").fill("checkout service")
        page.get_by_role("button", name="Revoke key").click()
        expect(page.get_by_role("row", name="checkout service")).to_contain_text(
            "revoked"
        )
        assert said == []


def snippet(page: Page, language: str) -> str:
    """What the tab of this language shows; copying it gives the same."""
    page.get_by_text(language, exact=True).click()
    code = page.get_by_role("region", name=f"{language} snippet").inner_text()
    page.get_by_role("button", name="Copy", exact=True).click()
    assert page.evaluate("navigator.clipboard.readText()") == code
    return code


def test_it_all_works_without_scripts(
    live_gateway: Gateway, carol: User, workshop: Organization, chromium: str
) -> None:
    with browser.browsing(chromium, java_script_enabled=False) as context:
        page = context.new_page()
        browser.sign_in(page, live_gateway.url, carol.email, PASSWORD)
        page.get_by_role("link", name="API keys").click()
        page.get_by_role("link", name="Create a key").click()
        page.get_by_label("Name").fill("laptop")
        page.get_by_role("button", name="Create key").click()
        assert key_format.is_well_formed(page.locator("#secret").inner_text())
        expect(page.get_by_text("Copy key")).to_be_hidden()
        page.get_by_text(".env", exact=True).click()
        expect(page.locator("#panel-env")).to_be_visible()
        expect(page.locator("#panel-curl")).to_be_hidden()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_replies_are_switched_off(
    live_gateway: Gateway,
    carol: User,
    workshop: Organization,
    chromium: str,
    scripts: bool,
) -> None:
    with browser.browsing(chromium, java_script_enabled=scripts) as context:
        page = context.new_page()
        said = browser.complaints(page)
        browser.sign_in(page, live_gateway.url, carol.email, PASSWORD)
        page.get_by_role("link", name="Settings").click()
        switch = page.get_by_label("Keep replies for retries")
        expect(switch).to_be_checked()
        switch.uncheck()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_have_text("The settings are saved.")
        page.reload()
        expect(switch).not_to_be_checked()
        expect(page.get_by_label("Name")).to_have_value(workshop.name)
        assert said == []
    workshop.refresh_from_db()
    assert workshop.stores_replies is False


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 320)]
)
def test_axe_finds_nothing_and_nothing_sticks_out(
    live_gateway: Gateway,
    carol: User,
    workshop: Organization,
    chromium: str,
    scheme: str,
    width: int,
) -> None:
    make_organization(f"A rather long name of a second one {width}", carol, credits=0)
    key, _ = make_key(workshop, carol, "a key with a rather long name, as people do")
    make_call(key, model="a-model-with-a-name-that-does-not-want-to-end/v1-preview")
    viewport, home = {"width": width, "height": 800}, f"/o/{workshop.slug}/"
    paths = (
        *(home, f"{home}keys/", f"{home}keys/new"),
        *(f"{home}keys/{key.pk}/{each}" for each in OF_A_KEY),
        f"{home}settings/service-accounts/",
        *(f"{home}settings/", "/account/password", "/nowhere"),
    )
    with browser.browsing(chromium, color_scheme=scheme, viewport=viewport) as context:
        page = context.new_page()
        page.goto(live_gateway.url)
        check(page, width)
        browser.sign_in(page, live_gateway.url, carol.email, PASSWORD)
        for path in paths:
            page.goto(live_gateway.url + path)
            check(page, width)
        page.goto(f"{live_gateway.url}{home}keys/new")
        page.get_by_label("Name").fill("laptop")
        page.get_by_role("button", name="Create key").click()
        check(page, width)
        page.goto(f"{live_gateway.url}{home}settings/")
        page.get_by_label("Name").fill("a\u202eb")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("invisible characters")).to_be_visible()
        check(page, width)


def check(page: Page, width: int) -> None:
    """With everything unfolded."""
    for summary in page.locator("summary").all():
        summary.click()
    found = Axe().run(page)
    assert found.violations_count == 0, f"{page.url}\n{found.generate_report()}"
    assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url
