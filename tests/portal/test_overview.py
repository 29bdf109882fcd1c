"""The overview: what is left, what was spent, and only what one may see of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from billing import bounds, holds
from billing.values.orders import CREDIT, Place, Settle, Usage
from portal.models import Organization, Role, User
from portal.tenants import organizations
from tests.support.cast import OPERATOR, make_call, make_key, make_member
from tests.support.portal import pages
from tests.support.portal.learned import make_pause

pytestmark = pytest.mark.once


def overview(client: Client, user: User, slug: str = "acme") -> pages.Page:
    client.force_login(user)
    return pages.read(client.get(f"/o/{slug}/"))


def test_home_opens_the_first_organization(
    client: Client, alice: User, organization: Organization
) -> None:
    client.force_login(alice)
    assert client.get("/")["location"] == "/o/acme/"


def test_home_of_somebody_in_no_organization_says_what_to_do(
    client: Client, alice: User
) -> None:
    client.force_login(alice)
    assert "No organization yet" in pages.read(client.get("/")).text


def test_it_shows_available_held_and_balance(
    client: Client, alice: User, organization: Organization
) -> None:
    key, _ = make_key(organization, alice)
    make_call(key, charged=300)
    place = Place(
        hold_id=uuid4().hex,
        account_id=organization.account_id,
        spender_id=key.spender_id,
        bound_micros=25 * CREDIT + 1,
        operation="images.generations",
        model="fal-ai/flux/dev",
        due_at=timezone.now() + timedelta(minutes=5),
    )
    holds.commit([place])
    text = overview(client, alice).text
    assert "Available 674 .999999" in text
    assert "Held 25.000001" in text
    assert "Balance 700" in text
    assert "Today 300 7 days 300 30 days 300" in text
    assert "fal-ai/flux/dev images.generations laptop running" in text
    assert "laptop running 25.000001 — — —" in text
    assert "laptop charged 600 300 upstream 5 / 7" in text
    usage = Usage("upstream", 20 * CREDIT)
    holds.commit([Settle(place.hold_id, organization.account_id, usage)])
    assert "charged 25.000001 20 upstream —" in overview(client, alice).text


def test_the_chart_and_its_table_have_the_same_numbers(
    client: Client, alice: User, organization: Organization
) -> None:
    key, _ = make_key(organization, alice)
    make_call(key, charged=40)
    page = overview(client, alice)
    bars = [e.attributes for e in page.elements if e.tag == "rect"][1:]
    heights = [int(bar["height"] or 0) for bar in bars if "bar" in str(bar["class"])]
    assert heights == [0] * 29 + [1000]
    assert f"{timezone.now():%Y-%m-%d} 1 40" in page.text
    assert "30 days 1 40" in page.text


@pytest.mark.parametrize(
    ("role", "sees_balance", "sees_alices_call", "sees_key_name"),
    [
        (Role.ADMIN, True, True, True),
        (Role.BILLING, True, True, True),
        (Role.VIEWER, False, True, False),
        (Role.DEVELOPER, False, False, True),
    ],
)
def test_each_role_sees_its_part(
    client: Client,
    alice: User,
    organization: Organization,
    role: Role,
    sees_balance: bool,
    sees_alices_call: bool,
    sees_key_name: bool,
) -> None:
    key, _ = make_key(organization, alice, "alices key")
    make_call(key, charged=123, model="model-of-alice")
    member = make_member(organization, "m@example.com", role)
    if role == Role.DEVELOPER:
        own, _ = make_key(organization, member, "own key")
        make_call(own, charged=7)
    page = overview(client, member)
    assert ("Available" in page.text) is sees_balance
    assert ("877" in page.text) is sees_balance
    assert ("model-of-alice" in page.text) is sees_alices_call
    assert ("123" in page.text) is sees_alices_call
    names = "own key" if role == Role.DEVELOPER else "alices key"
    assert (names in page.text) is sees_key_name
    assert "tg_live" not in page.text


def test_without_calls_it_shows_the_three_steps(
    client: Client, alice: User, organization: Organization
) -> None:
    page = overview(client, alice)
    assert "Three steps" in page.text
    assert "/o/acme/keys/new" in page.links()
    make_key(organization, alice)
    assert "/o/acme/keys/new" not in overview(client, alice).links()


def test_a_viewer_is_not_sent_to_a_page_that_is_missing_for_them(
    client: Client, organization: Organization
) -> None:
    viewer = make_member(organization, "v@example.com", Role.VIEWER)
    page = overview(client, viewer)
    assert not [link for link in page.links() if "keys" in link]


def test_a_suspension_is_said(
    client: Client, alice: User, organization: Organization
) -> None:
    organizations.suspend(organization, reason="unpaid", actor=OPERATOR)
    assert "suspended" in overview(client, alice).text


def test_a_pause_is_said_until_it_is_released(
    client: Client, alice: User, organization: Organization
) -> None:
    assert "paused" not in overview(client, alice).text
    pause = make_pause(organization)
    assert "New calls of this organization are paused" in overview(client, alice).text
    bounds.release(pause.id)
    assert "paused" not in overview(client, alice).text


def test_queries_do_not_grow_with_calls(
    client: Client,
    alice: User,
    organization: Organization,
    django_assert_max_num_queries: Any,
) -> None:
    key, _ = make_key(organization, alice)
    for _ in range(15):
        make_call(key)
    client.force_login(alice)
    with django_assert_max_num_queries(45):
        client.get("/o/acme/")
