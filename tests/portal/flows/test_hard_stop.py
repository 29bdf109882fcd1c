"""A hard stop is explained where it happens, and raised by who may. Costs a browser and
a gateway, about 12 s.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from billing.budgets import Subject, chain_of
from billing.models.budget import Level, Window
from portal.models import Organization, Role, User
from portal.tenants import budgets, members
from tests.support.cast import (
    OPERATOR,
    PASSWORD,
    make_key,
    make_user,
)
from tests.support.portal import browser
from tests.support.portal.ways import call, refusal
from tests.support.services.gateway import Gateway
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.once, pytest.mark.timeout(600)]


CAP_MICROS = 2_500_000  # a call is held 6 credits at first


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
