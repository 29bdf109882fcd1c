"""What people come for, each once in a real browser over a real gateway whose upstream
is the sandbox.

Costs 60 s at most, of which half is Chromium's: one gateway for all of it.
"""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import openai
import pytest
from playwright.sync_api import Page, expect

from billing.budgets import Subject, chain_of
from billing.models.budget import Level, Window
from portal.models import ApiKey, Organization, Role, User
from portal.tenants import budgets, members
from tests.support.cast import (
    OPERATOR,
    PASSWORD,
    make_key,
    make_organization,
    make_user,
)
from tests.support.portal import browser
from tests.support.sandbox.server import KEY, SAY_HI, serve
from tests.support.services.gateway import Gateway
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.once, pytest.mark.timeout(600)]

MODEL = "openai/gpt-4o-mini"
CAP_MICROS = 2_500_000  # a call is held 6 credits at first
CLICKS_MAX, SECONDS_MAX = 12, 120
CODE = re.compile(r"^\s*([A-Z]{4}-[A-Z]{4})\s*$", re.MULTILINE)


@pytest.fixture(scope="module")
def gate(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Open to newcomers, who get some credits; its mail is in its log."""
    folder: Path = tmp_path_factory.mktemp("flows")
    with serve(folder) as sandbox:
        gateway = Gateway(
            folder=folder,
            environment={
                "UPSTREAM_BASE_URL": sandbox.base_url,
                "UPSTREAM_API_KEY": KEY,
                "SIGNUP": "open",
                "SIGNUP_CREDITS": "100",
                "EMAIL_URL": "consolemail://",
            },
        )
        gateway.start()
        yield gateway
        gateway.stop()


@pytest.fixture
def owner(committed_db: None) -> User:
    return make_user(f"olga-{uuid4().hex[:8]}@example.com", PASSWORD)


@pytest.fixture
def team(owner: User) -> Organization:
    return make_organization(f"Flows {uuid4().hex[:8]}", owner)


def call(gate: Gateway, secret: str) -> str:
    """A chat by the official SDK; its answer."""
    with openai.OpenAI(base_url=gate.base_url, api_key=secret, max_retries=0) as client:
        made = client.chat.completions.create(model=MODEL, messages=SAY_HI)
    return made.choices[0].message.content or ""


def refusal(gate: Gateway, secret: str) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as refused:
        call(gate, secret)
    return refused.value


def mailed_code(gate: Gateway, email: str) -> str:
    """The code in the last mail to this address."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        after = gate.log_text().rpartition(f"To: {email}")[2]
        if found := CODE.search(after):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(gate.log_text()[-2000:])


class Clicks:
    """Counts what a person presses."""

    def __init__(self, page: Page) -> None:
        self.page, self.count = page, 0

    def link(self, name: str) -> None:
        self._press("link", name)

    def button(self, name: str) -> None:
        self._press("button", name)

    def _press(self, role: str, name: str) -> None:
        self.count += 1
        self.page.get_by_role(role, name=name, exact=True).first.click()  # type: ignore[arg-type]


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
def capped(gate: Gateway, team: Organization) -> tuple[User, str]:
    """A developer who made a call and has a cap that no other fits, and the secret of
    their key."""
    developer = make_user(f"dev-{uuid4().hex[:8]}@example.com", PASSWORD)
    membership = members.add(team, developer, Role.DEVELOPER, actor=OPERATOR)
    key, secret = make_key(team, developer, "laptop")
    assert call(gate, secret)
    budgets.set_limit(
        team,
        Subject(Level.MEMBER, holder_id=membership.unit_id),
        Window.TOTAL,
        CAP_MICROS,
        counts_spend_so_far=True,
        actor=OPERATOR,
    )
    # As it stands when all is settled: figures that do not move any more.
    wait_for(lambda: chain_of(key.spender_id)[0].held_micros == 0)
    return developer, secret


def test_a_hard_stop_is_explained_and_raised(
    gate: Gateway,
    owner: User,
    team: Organization,
    capped: tuple[User, str],
    chromium: str,
) -> None:
    """From the refused call's link to the developer's question, the owner's one click,
    and the same call again."""
    developer, secret = capped
    stopped = refusal(gate, secret)
    assert (stopped.status_code, stopped.code) == (402, "budget_exceeded")
    told: Any = stopped.body
    figures = told["metadata"]
    assert figures["url"] in stopped.message
    assert figures["used"] != "0"
    with browser.browsing(chromium) as context:
        page = context.new_page()
        browser.sign_in(page, figures["url"], developer.email, PASSWORD)
        expect(page.get_by_role("heading", level=1)).to_contain_text(figures["name"])
        stands = page.get_by_label("Where it stands")
        expect(stands).to_contain_text(f"of {figures['limit']} credits in all")
        for name in ("used", "held"):
            figure = stands.get_by_text(name.title(), exact=True).locator("+ dd")
            expect(figure).to_have_text(figures[name])
        page.get_by_label("Credits more").fill("50")
        page.get_by_label("Reason").fill("launch week")
        page.get_by_role("button", name="Ask", exact=True).click()
        expect(page.get_by_text("You have asked.")).to_be_visible()
    assert refusal(gate, secret).status_code == 402
    with browser.browsing(chromium) as context:
        page = context.new_page()
        browser.sign_in(page, gate.url, owner.email, PASSWORD)
        page.get_by_role("link", name="Budgets", exact=True).click()
        asked = page.get_by_role("listitem").filter(has_text=developer.email)
        expect(asked).to_contain_text("launch week")
        asked.get_by_role("button", name="Grant").click()
        expect(page.get_by_text("Granted: the limit is raised.")).to_be_visible()
    assert call(gate, secret)


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
