"""The list of members and the page of one, as an owner uses them.

Costs 1 s.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from billing.values.orders import CREDIT
from portal.models import ApiKey, Membership, Organization, Role, User
from portal.tenants import (
    budgets,
    heirs,
    keys,
    project_members,
    projects,
    service_accounts,
)
from portal.tenants.errors import RevokedKey
from tests.support.cast import OPERATOR, actor_of, make_key, make_member
from tests.support.portal import pages

pytestmark = pytest.mark.once

MEMBERS = "/o/acme/settings/members/"


@pytest.fixture
def owner(client: Client, alice: User, organization: Organization) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def bobs(organization: Organization, bob: User) -> Membership:
    return organization.memberships.get(user=bob)


def text_of(response: Any) -> str:
    return pages.read(response).text


def test_the_list_shows_what_there_is_to_know(
    owner: Client, organization: Organization, bobs: Membership
) -> None:
    search = projects.create(organization, "Search", actor=OPERATOR)
    project_members.limit(bobs, [search], actor=OPERATOR)
    budgets.store_cap(bobs, 7 * CREDIT, OPERATOR)
    shown = text_of(owner.get(MEMBERS))
    for words in ("bob@example.com", "developer", "Search", "7", "active"):
        assert words in shown
    assert "bob@" not in text_of(owner.get(f"{MEMBERS}?role=owner"))
    assert "alice@" not in pages.read(owner.get(f"{MEMBERS}?find=BOB@")).text.replace(
        "alice@example.com Sign out", ""
    )
    csv = b"".join(owner.get(f"{MEMBERS}?format=csv")).decode()
    assert "bob@example.com" in csv


def test_role_projects_and_cap_are_changed_each_by_its_form(
    owner: Client, organization: Organization, bobs: Membership
) -> None:
    url = f"{MEMBERS}{bobs.pk}/"
    default = projects.default_of(organization)
    was = {"change": "role", "was": "developer"}
    assert owner.post(url, was | {"role": "viewer"}).status_code == 302
    bobs.refresh_from_db()
    assert bobs.role == "viewer"
    stale = owner.post(url, was | {"role": "billing"})
    assert "changed this meanwhile" in text_of(stale)
    form = {"change": "projects", "was": "all", "reach": "some"}
    owner.post(url, form | {"projects": [default.pk]})
    bobs.refresh_from_db()
    assert bobs.is_limited
    assert [each.project for each in bobs.named_projects.all()] == [default]
    owner.post(url, {"change": "cap", "cap": "12.5", "initial-cap": ""})
    cap = budgets.caps_of(organization)[bobs.unit_id]
    assert cap.limit_micros == 12_500_000
    owner.post(url, {"change": "cap", "cap": "", "initial-cap": "12.5"})
    assert budgets.caps_of(organization) == {}
    assert "More than nothing" in text_of(
        owner.post(url, {"change": "cap", "cap": "0"})
    )
    assert owner.post(url, {"change": "everything"}).status_code == 200


def test_the_last_owner_is_told_so(
    owner: Client, organization: Organization, alice: User
) -> None:
    own = organization.memberships.get(user=alice)
    url = f"{MEMBERS}{own.pk}/"
    answer = owner.post(url, {"change": "role", "was": "owner", "role": "admin"})
    assert "at least one owner" in text_of(answer)
    typed = {"name": "alice@example.com", "ticket": "t"}
    assert "at least one owner" in text_of(owner.post(f"{url}remove", typed))
    assert "at least one owner" in text_of(owner.post(f"{url}disable", follow=True))
    assert organization.memberships.filter(role=Role.OWNER, disabled_at=None).exists()


def test_the_own_cap_is_nobodys_to_lift(
    client: Client, organization: Organization
) -> None:
    admin = make_member(organization, "adam@example.com", Role.ADMIN)
    own = organization.memberships.get(user=admin)
    budgets.store_cap(own, 7 * CREDIT, OPERATOR)
    client.force_login(admin)
    url = f"{MEMBERS}{own.pk}/"
    for cap in ("8", ""):
        answer = client.post(url, {"change": "cap", "cap": cap, "initial-cap": "7"})
        assert "their own limit" in text_of(answer)
    assert budgets.caps_of(organization)[own.unit_id].limit_micros == 7 * CREDIT


def test_a_removal_lists_the_keys_and_asks_for_each(
    owner: Client, organization: Organization, bob: User, bobs: Membership
) -> None:
    kept, kept_secret = make_key(organization, bob, "kept")
    _, lost_secret = make_key(organization, bob, "lost")
    robot = service_accounts.create(organization, "CI", actor=OPERATOR)
    url = f"{MEMBERS}{bobs.pk}/remove"
    shown = text_of(owner.get(url))
    assert "kept" in shown
    assert "lost" in shown
    form = {
        "name": "bob@example.com",
        "ticket": "once",
        str(kept.pk): f"serviceaccount-{robot.pk}",
    }
    # The other key is not answered for, as if it were made since the page was read.
    assert "required" in text_of(owner.post(url, form))
    lost = ApiKey.objects.get(name="lost")
    form[str(lost.pk)] = "revoke"
    assert "That is not" in text_of(owner.post(url, form | {"name": "bob"}))
    assert "valid choice" in text_of(
        owner.post(url, form | {str(lost.pk): f"membership-{bobs.pk}"})
    )
    assert owner.post(url, form).status_code == 302
    assert owner.post(url, form).status_code == 302  # a double click
    assert owner.post(url, form | {"ticket": "other"}).status_code == 404  # gone
    assert keys.verify(kept_secret).key_id == kept.pk
    with pytest.raises(RevokedKey):
        keys.verify(lost_secret)


def test_projects_are_taken_only_after_asking_for_the_keys_there(
    owner: Client, organization: Organization, bob: User, bobs: Membership, alice: User
) -> None:
    search = projects.create(organization, "Search", actor=actor_of(alice))
    key, _ = keys.issue(search, "k", actor=actor_of(bob))
    url = f"{MEMBERS}{bobs.pk}/"
    form = {"change": "projects", "was": "all", "reach": "some", "projects": []}
    asked = owner.post(url, form)
    assert "Whose are they?" in text_of(asked)
    bobs.refresh_from_db()
    assert not bobs.is_limited
    owners = organization.memberships.get(user=alice).pk
    assert f'value="membership-{owners}" selected' in asked.content.decode()
    answer = form | {"confirmed": "1", str(key.pk): f"membership-{owners}"}
    assert owner.post(url, answer).status_code == 302
    assert [each.name for each in heirs.held_by(bobs)] == []
    bobs.refresh_from_db()
    assert bobs.is_limited


def test_disabled_and_enabled_by_a_click_each(
    owner: Client, bob: User, bobs: Membership
) -> None:
    client = Client()
    client.force_login(bob)
    for way, status in (("disable", 404), ("disable", 404), ("enable", 200)):
        owner.post(f"{MEMBERS}{bobs.pk}/{way}")
        assert client.get("/o/acme/").status_code == status
        assert owner.get(f"{MEMBERS}{bobs.pk}/{way}").status_code == 405
