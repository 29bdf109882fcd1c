"""Organizations that people make, and the addresses of their pages.

Costs 1 s.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from portal.models import AuditEvent, Organization, Role, User
from portal.tenants import organizations, slugs
from portal.tenants.errors import (
    InvalidName,
    InvalidSlug,
    NotAllowed,
    SlugTaken,
    TooManyOrganizations,
)
from tests.support.cast import OPERATOR, actor_of, make_member, make_organization

pytestmark = pytest.mark.once


def test_people_make_their_own_only_where_they_may(bob: User, settings: Any) -> None:
    settings.SIGNUP, settings.OWN_ORGANIZATIONS = "closed", False
    with pytest.raises(NotAllowed):
        organizations.create_own("Bob's", actor=actor_of(bob))
    settings.OWN_ORGANIZATIONS = True
    made = organizations.create_own("Bob's", actor=actor_of(bob))
    assert (made.slug, made.memberships.get().role) == ("bobs", Role.OWNER)
    assert made.account.balance_micros == 0
    event = AuditEvent.objects.get(organization=made)
    assert (event.action, event.actor) == ("organization.create", bob)
    settings.SIGNUP, settings.OWN_ORGANIZATIONS = "open", False
    assert organizations.create_own("Bob's", actor=actor_of(bob)).slug == "bobs-2"
    with pytest.raises(InvalidName):
        organizations.create_own("x" * 10_000, actor=actor_of(bob))


def test_nobody_makes_them_without_end(
    bob: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OWN_ORGANIZATIONS = True
    monkeypatch.setattr(organizations, "OWNED_MAX", 1)
    organizations.create_own("One", actor=actor_of(bob))
    with pytest.raises(TooManyOrganizations):
        organizations.create_own("Two", actor=actor_of(bob))


def test_the_address_before_leads_its_members_to_the_new_one(
    client: Client, organization: Organization, bob: User, mallory: User
) -> None:
    assert organizations.change_slug(organization, "rocket", actor=OPERATOR)
    client.force_login(bob)
    answer = client.get("/o/acme/keys/?page=2")
    assert (answer.status_code, answer["Location"]) == (307, "/o/rocket/keys/?page=2")
    assert client.get("/o/rocket/keys/").status_code == 200
    assert client.get("/o/acme/settings/").status_code == 307
    assert client.get("/o/rocket/settings/").status_code == 404  # bob's role
    client.force_login(mallory)
    assert client.get("/o/acme/keys/").status_code == 404
    event = AuditEvent.objects.get(action="organization.change_slug")
    assert event.detail == {"before": {"slug": "acme"}, "after": {"slug": "rocket"}}


def test_a_former_address_is_nobody_elses(
    organization: Organization, mallory: User
) -> None:
    other = Organization.objects.get(slug="elsewhere")
    organizations.change_slug(organization, "rocket", actor=OPERATOR)
    for taken in ("acme", "rocket"):
        with pytest.raises(SlugTaken):
            organizations.change_slug(other, taken, actor=OPERATOR)
    assert make_organization("Acme", mallory, credits=0).slug == "acme-2"
    # Its own it takes back; the one between leads there, too.
    assert organizations.change_slug(organization, "acme", actor=OPERATOR)
    assert not organizations.change_slug(organization, "acme", actor=OPERATOR)
    former = organization.former_slugs.values_list("slug", flat=True)
    assert list(former) == ["rocket"]


@pytest.mark.parametrize(
    "slug",
    [
        *("", "a", "A", "Acme", "a--b", "-a", "a-", "a_b", "a b", "x" * 61, "ünicode"),
        *("a/b", "a\x00b", "acme\n", "x" * 10_000, "admin", "settings", "api", "v1"),
    ],
)
def test_what_cannot_be_an_address_is_refused(
    organization: Organization, slug: str
) -> None:
    with pytest.raises(InvalidSlug):
        organizations.change_slug(organization, slug, actor=OPERATOR)
    organization.refresh_from_db()
    assert organization.slug == "acme"


def test_a_new_organization_gets_no_reserved_address(alice: User) -> None:
    assert make_organization("Admin", alice, credits=0).slug == "admin-2"
    assert all(slugs.SHAPE.fullmatch(word) for word in slugs.RESERVED)


def test_only_who_manages_the_organization_changes_its_address(
    organization: Organization, alice: User, bob: User
) -> None:
    with pytest.raises(NotAllowed):
        organizations.change_slug(organization, "bobs", actor=actor_of(bob))
    admin = make_member(organization, "adam@example.com", Role.ADMIN)
    assert organizations.change_slug(organization, "ours", actor=actor_of(admin))
