"""What people come for, each once in a real browser over a real gateway whose upstream
is the sandbox.

Costs 60 s at most, of which half is Chromium's: one gateway for all of it.
"""

from __future__ import annotations

import csv
import re
import time
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from portal.models import ApiKey, Organization, User
from tests.support.cast import (
    PASSWORD,
    make_key,
)
from tests.support.portal import browser
from tests.support.portal.ways import MODEL, Clicks, call, mailed_code, refusal
from tests.support.services.gateway import Gateway

pytestmark = [pytest.mark.once, pytest.mark.timeout(600)]

CLICKS_MAX, SECONDS_MAX = 12, 120


@pytest.mark.parametrize("scripts", [True, False])
def test_a_newcomer_makes_the_first_call(
    gate: Gateway, committed_db: None, chromium: str, scripts: bool
) -> None:
    """From signing up to the green mark: in two minutes, by a dozen clicks."""
    email, begun = f"nora-{uuid4().hex[:8]}@example.com", time.monotonic()
    with browser.browsing(chromium, java_script_enabled=scripts) as context:
        page = context.new_page()
        said, clicks = browser.complaints(page), Clicks(page)
        page.goto(gate.url)
        clicks.link("Sign up")
        page.get_by_label("E-mail address").fill(email)
        page.get_by_label("Organization").fill(f"Newcomers {uuid4().hex[:8]}")
        page.get_by_label("Password").fill(PASSWORD)
        clicks.button("Sign up")
        page.locator("#id_code").fill(mailed_code(gate, email))
        clicks.button("Go on")
        clicks.link("Create your first key")
        page.get_by_label("Name").fill("laptop")
        clicks.button("Create key")
        secret = page.locator("#secret").inner_text()
        assert call(gate, secret)
        if scripts:
            expect(page.locator("#seen")).to_contain_text(MODEL, timeout=15_000)
        else:
            clicks.link("I have saved it")
        clicks.link("Overview")
        expect(page.get_by_text(MODEL).first).to_be_visible()
        assert said == []
    assert clicks.count <= CLICKS_MAX
    assert time.monotonic() - begun < SECONDS_MAX


def test_a_developer_is_invited(
    gate: Gateway, owner: User, team: Organization, chromium: str
) -> None:
    email = f"dev-{uuid4().hex[:8]}@example.com"
    with browser.browsing(chromium) as context:
        page = context.new_page()
        browser.sign_in(page, gate.url, owner.email, PASSWORD)
        page.get_by_role("link", name="Members").click()
        page.get_by_role("link", name="Invite").first.click()
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Developer").check()
        page.get_by_role("button", name="Make the link").click()
        link = page.locator("#link").inner_text()
        page.get_by_role("button", name="Sign out").click()
        page.goto(link)
        page.get_by_role("link", name="Create an account").click()
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign up").click()
        page.locator("#id_code").fill(mailed_code(gate, email))
        page.get_by_role("button", name="Go on").click()
        if page.get_by_role("button", name="Join").count():
            page.get_by_role("button", name="Join").click()
        expect(page.get_by_text(team.name).first).to_be_visible()
        page.goto(f"{gate.url}/o/{team.slug}/keys/new")
        expect(page.get_by_role("button", name="Create key")).to_be_visible()
        page.goto(f"{gate.url}/o/{team.slug}/settings/")
        expect(page.get_by_text("Nothing here")).to_be_visible()


@pytest.fixture
def used_key(gate: Gateway, owner: User, team: Organization) -> tuple[ApiKey, str]:
    """A key that made two calls."""
    key, secret = make_key(team, owner, "checkout")
    assert call(gate, secret)
    assert call(gate, secret)
    return key, secret


def test_a_key_that_leaked_is_looked_at_and_revoked(
    gate: Gateway,
    owner: User,
    team: Organization,
    used_key: tuple[ApiKey, str],
    chromium: str,
) -> None:
    with browser.browsing(chromium) as context:
        page = context.new_page()
        browser.sign_in(page, gate.url, owner.email, PASSWORD)
        page.goto(f"{gate.url}/o/{team.slug}/keys/{used_key[0].pk}/")
        page.get_by_role("link", name="It leaked").click()
        expect(page.get_by_role("row", name=MODEL)).to_be_visible()
        page.get_by_role("button", name="Revoke now").click()
        expect(page.get_by_text("every call is refused")).to_be_visible()
    assert refusal(gate, used_key[1]).code == "key_revoked"


def test_a_key_is_rotated_with_an_overlap(
    gate: Gateway,
    owner: User,
    team: Organization,
    used_key: tuple[ApiKey, str],
    chromium: str,
) -> None:
    with browser.browsing(chromium) as context:
        page = context.new_page()
        browser.sign_in(page, gate.url, owner.email, PASSWORD)
        page.goto(f"{gate.url}/o/{team.slug}/keys/{used_key[0].pk}/")
        page.get_by_role("link", name="Rotate").click()
        page.get_by_role("button", name="Rotate key").click()
        secret = page.locator("#secret").inner_text()
        expect(page.get_by_text("works until").first).to_be_visible()
    assert secret != used_key[1]
    assert call(gate, secret)
    assert call(gate, used_key[1])


def test_a_months_usage_is_taken_along(
    gate: Gateway,
    owner: User,
    team: Organization,
    used_key: tuple[ApiKey, str],
    chromium: str,
) -> None:
    with browser.browsing(chromium) as context:
        page = context.new_page()
        browser.sign_in(page, gate.url, owner.email, PASSWORD)
        page.get_by_role("link", name="Usage").first.click()
        page.get_by_role("link", name="This month").click()
        with page.expect_download() as waiting:
            page.get_by_role("link", name=re.compile("CSV")).first.click()
        text = Path(waiting.value.path()).read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert rows
    assert any(MODEL in row.values() for row in rows)


def test_a_balance_is_explained(
    gate: Gateway,
    owner: User,
    team: Organization,
    used_key: tuple[ApiKey, str],
    chromium: str,
) -> None:
    with browser.browsing(chromium) as context:
        page = context.new_page()
        browser.sign_in(page, gate.url, owner.email, PASSWORD)
        page.goto(f"{gate.url}/o/{team.slug}/billing/explain/")
        if not page.get_by_role("heading", name="Why the balance changed").count():
            page.get_by_role("button", name="Explain", exact=True).click()
        expect(page.get_by_text("come to the closing balance")).to_be_visible()
        with page.expect_download() as waiting:
            page.get_by_role("link", name="Download the bundle").click()
        assert Path(waiting.value.path()).stat().st_size > 1000
