"""In a real browser, over the real server: short journeys through keys and settings."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from portal.models import Organization, User
from portal.tenants import key_format
from tests.support.cast import (
    PASSWORD,
    make_key,
    make_organization,
    make_user,
)
from tests.support.portal import axe, browser
from tests.support.services.gateway import Gateway

CLIPBOARD = ["clipboard-read", "clipboard-write"]
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


def test_axe_finds_nothing_on_what_a_form_answers(
    live_gateway: Gateway, carol: User, workshop: Organization, chromium: str
) -> None:
    """Pages that are opened by their URL: `test_every_page.py`."""
    make_organization("A rather long name of a second one", carol, credits=0)
    home = f"{live_gateway.url}/o/{workshop.slug}/"
    with browser.browsing(chromium) as context:
        page = context.new_page()
        browser.sign_in(page, live_gateway.url, carol.email, PASSWORD)
        page.goto(f"{home}keys/new")
        page.get_by_label("Name").fill("laptop")
        page.get_by_role("button", name="Create key").click()
        assert axe.look(page) == []
        page.goto(f"{home}settings/")
        page.get_by_label("Name").fill("a\u202eb")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("invisible characters")).to_be_visible()
        assert axe.look(page) == []


def test_the_keyboard_opens_pages_and_finds_things(
    live_gateway: Gateway, carol: User, workshop: Organization, chromium: str
) -> None:
    make_key(workshop, carol, "checkout service")
    with browser.browsing(chromium) as context:
        page = context.new_page()
        said = browser.complaints(page)
        browser.sign_in(page, live_gateway.url, carol.email, PASSWORD)
        browser.listens(page)
        page.keyboard.press("g")
        page.keyboard.press("k")
        expect(page.get_by_role("heading", level=1)).to_have_text("API keys")
        browser.listens(page)
        for opener in ("Control+k", "/", "?"):
            page.keyboard.press(opener)
            palette = page.get_by_role("dialog", name="Search")
            expect(palette.get_by_role("link", name="Page Overview")).to_be_visible()
            page.keyboard.press("Escape")
            expect(palette).to_be_hidden()
        page.get_by_role("link", name="Search").click()
        page.keyboard.type("g k checkout")  # a field's letters open no page
        page.get_by_role("searchbox").fill("checkout")
        expect(palette.get_by_role("link")).to_have_text([re.compile("checkout")])
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url("**/keys/**")
        page.get_by_role("button", name="Dark").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        assert said == []
