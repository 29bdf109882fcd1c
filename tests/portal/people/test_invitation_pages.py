"""From an invitation to the first key, and every way in which one leads nowhere.

Costs 2 s.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from billing.values.orders import CREDIT
from portal.models import Invitation, Membership, Organization, Role, User
from portal.tenants import (
    budgets,
    invitations,
    members,
    projects,
)
from tests.support.cast import OPERATOR, make_member, make_user
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
    owner: Client, organization: Organization, mailoutbox: list[Any]
) -> None:
    search = projects.create(organization, "Search", actor=OPERATOR)
    answer = invite(owner, reach="some", projects=[search.pk], cap="1,250.5")
    assert settings.PUBLIC_URL in text_of(answer)
    path = link_in(answer)
    assert "no-store" in answer["Cache-Control"]

    (mail,) = mailoutbox
    assert mail.to == ["dev@example.com"]
    assert path in mail.body
    assert mail.subject == "alice@example.com invites you to Acme on Tollgate"

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


def test_new_links_without_end_are_not_all_mailed(
    owner: Client, mailoutbox: list[Any]
) -> None:
    """The page shows each of them; nobody's mailbox is flooded."""
    invite(owner)
    made = Invitation.objects.get()
    for _ in range(6):
        answer = owner.post(f"{MEMBERS}invitations/{made.pk}/renew")
        assert link_in(answer)
    assert len(mailoutbox) == 5
    assert "too many mails" in text_of(answer)
