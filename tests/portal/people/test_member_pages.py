"""The pages of members and invitations, as their people use them."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from billing.values.orders import CREDIT
from portal.models import ApiKey, Invitation, Membership, Organization, Role, User
from portal.tenants import (
    budgets,
    heirs,
    invitations,
    keys,
    members,
    project_members,
    projects,
    service_accounts,
)
from portal.tenants.errors import RevokedKey
from tests.support.cast import OPERATOR, actor_of, make_key, make_member, make_user
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


def hidden(response: Any, name: str) -> str:
    """What a hidden field of the page has."""
    found = [
        e.attributes.get("value") or ""
        for e in pages.read(response).elements
        if e.tag == "input" and e.attributes.get("name") == name
    ]
    assert found, name
    return found[0]


def link_in(response: Any) -> str:
    """The path of the link that is shown this once."""
    found = re.search(r"/invitations/[\w-]{43}/", text_of(response))
    assert found, text_of(response)
    return found[0]


def invite(client: Client, email: str = "dev@example.com", **more: Any) -> Any:
    ticket = hidden(client.get(f"{MEMBERS}invite"), "ticket")
    form = {"email": email, "role": "developer", "reach": "all", "ticket": ticket}
    return client.post(f"{MEMBERS}invite", form | more)


def test_from_the_invitation_to_ones_own_key(
    owner: Client, organization: Organization
) -> None:
    search = projects.create(organization, "Search", actor=OPERATOR)
    answer = invite(owner, reach="some", projects=[search.pk], cap="1,250.5")
    assert settings.PUBLIC_URL in text_of(answer)
    path = link_in(answer)
    assert "no-store" in answer["Cache-Control"]

    stranger = Client()
    first = stranger.get(path)
    assert first.status_code == 200
    assert "dev@example.com" in text_of(first)
    assert stranger.session["invitation"] == path
    assert f"next={path}" in first.content.decode()
    assert stranger.post(path).status_code == 200  # nobody signed in: nothing happens
    assert Invitation.objects.get().accepted_at is None

    user = make_user("dev@example.com")
    stranger.force_login(user)
    assert "Join" in text_of(stranger.get(path))
    joined = stranger.post(path)
    assert joined["Location"] == "/o/acme/keys/new"
    assert stranger.post(path)["Location"] == "/o/acme/keys/new"  # a double click
    member = organization.memberships.get(user=user)
    assert budgets.caps_of(organization)[member.unit_id].limit_micros == (
        1_250_500_000 * CREDIT // 1_000_000
    )
    shown = text_of(stranger.get("/o/acme/keys/new"))
    assert "Search" in shown
    assert "Default" not in shown


@pytest.mark.parametrize("role", ["billing", "viewer"])
def test_who_makes_no_keys_lands_on_the_overview(owner: Client, role: str) -> None:
    path = link_in(invite(owner, role=role))
    client = Client()
    client.force_login(make_user("dev@example.com"))
    assert client.post(path)["Location"] == "/o/acme/"


def test_a_link_that_opens_nothing_says_what_to_do(
    owner: Client, organization: Organization, mallory: User
) -> None:
    path = link_in(invite(owner))
    other = Client()
    other.force_login(mallory)
    for answer in (other.get(path), other.post(path)):
        assert answer.status_code == 403
        assert "mallory@example.net" in text_of(answer)
        assert "Sign out" in text_of(answer)
    assert not mallory.memberships.filter(organization=organization).exists()

    missing = Client().get(f"/invitations/{'x' * 43}/")
    assert (missing.status_code, "cut" in text_of(missing)) == (404, True)
    found = Invitation.objects.get()
    second = link_in(owner.post(f"{MEMBERS}invitations/{found.pk}/renew"))
    assert Client().get(path).status_code == 404
    assert Client().get(second).status_code == 200
    owner.post(f"{MEMBERS}invitations/{found.pk}/revoke")
    revoked = Client().get(second)
    assert (revoked.status_code, "revoked" in text_of(revoked)) == (410, True)
    assert "alice@example.com" in text_of(revoked)
    assert owner.post(f"{MEMBERS}invitations/{found.pk}/renew").status_code == 302


def test_a_used_link_is_over_for_who_was_removed_since(
    owner: Client, organization: Organization
) -> None:
    path = link_in(invite(owner))
    user = make_user("dev@example.com")
    client = Client()
    client.force_login(user)
    client.post(path)
    members.remove(organization.memberships.get(user=user), actor=OPERATOR)
    for answer in (client.get(path), client.post(path), Client().get(path)):
        assert (answer.status_code, "was used" in text_of(answer)) == (410, True)
    assert not organization.memberships.filter(user=user).exists()


def test_errors_of_an_invitation_are_beside_the_field_and_values_stay(
    owner: Client, bob: User
) -> None:
    for email, words in (
        ("bob@example.com", "is a member"),
        ("nonsense", "valid email"),
        ("x" * 10_000 + "@example.com", "at most"),
    ):
        answer = invite(owner, email, cap="12.5")
        assert words in text_of(answer), email
        assert 'value="12.5"' in answer.content.decode()
    for cap in ("-1", "0", "a lot", "1e9", "9" * 30):
        assert "credits" in text_of(invite(owner, cap=cap))
    assert "valid choice" in text_of(invite(owner, role="root"))
    assert not Invitation.objects.exists()
    invite(owner)
    assert "invited already" in text_of(invite(owner))
    assert Invitation.objects.count() == 1


def test_the_same_form_sent_twice_invites_once(owner: Client) -> None:
    ticket = uuid4().hex
    assert invite(owner, ticket=ticket).status_code == 200
    again = invite(owner, "other@example.com", ticket=ticket)
    assert again["Location"] == f"{MEMBERS}invitations/"
    assert Invitation.objects.count() == 1


def test_an_admin_is_offered_no_owner(
    client: Client, organization: Organization, alice: User
) -> None:
    client.force_login(make_member(organization, "adam@example.com", Role.ADMIN))
    assert 'value="owner"' not in client.get(f"{MEMBERS}invite").content.decode()
    assert "valid choice" in text_of(invite(client, role="owner"))
    owners = organization.memberships.get(user=alice).pk
    for way in ("", "remove", "disable", "enable"):
        url = f"{MEMBERS}{owners}/{way}"
        assert client.post(url, {"change": "role"}).status_code == 404
    assert f"{MEMBERS}{owners}/" not in client.get(MEMBERS).content.decode()


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
    csv = b"".join(owner.get(f"{MEMBERS}?format=csv")).decode()  # type: ignore[call-overload]
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
    typed = {"name": "alice@example.com"}
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
    form = {"name": "bob@example.com", str(kept.pk): f"serviceaccount-{robot.pk}"}
    # The other key is not answered for, as if it were made since the page was read.
    assert "required" in text_of(owner.post(url, form))
    lost = ApiKey.objects.get(name="lost")
    form[str(lost.pk)] = "revoke"
    assert "That is not" in text_of(owner.post(url, form | {"name": "bob"}))
    assert "valid choice" in text_of(
        owner.post(url, form | {str(lost.pk): f"membership-{bobs.pk}"})
    )
    assert owner.post(url, form).status_code == 302
    assert owner.post(url, form).status_code == 404  # gone
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


@pytest.mark.parametrize("pk", ["0", "999999", "9" * 30])
def test_a_member_or_an_invitation_that_is_missing_is_404(
    owner: Client, pk: str
) -> None:
    for way in ("", "remove", "disable", "enable"):
        assert owner.post(f"{MEMBERS}{pk}/{way}").status_code == 404
    for way in ("renew", "revoke"):
        assert owner.post(f"{MEMBERS}invitations/{pk}/{way}").status_code == 404


def test_a_foreign_invitation_is_missing(owner: Client, mallory: User) -> None:
    elsewhere = mallory.memberships.get().organization
    made, _ = invitations.invite(elsewhere, "x@y.com", Role.VIEWER, actor=OPERATOR)
    for way in ("renew", "revoke"):
        url = f"{MEMBERS}invitations/{made.pk}/{way}"
        assert owner.post(url).status_code == 404
    assert "x@y.com" not in text_of(owner.get(f"{MEMBERS}invitations/"))
    assert reverse("members", args=["acme"]) == MEMBERS
