"""A right ends with what it came from; and only one's own organizations are listed."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.models import ApiKey, Organization, User
from tests.support.cast import make_organization

pytestmark = pytest.mark.once

OVERVIEW = "/o/acme/"


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_a_right_ends_with_the_membership(
    organization: Organization, bob: User
) -> None:
    client = client_of(bob)
    assert client.get(OVERVIEW).status_code == 200
    bob.memberships.all().delete()
    assert client.get(OVERVIEW).status_code == 404


def test_a_disabled_person_is_signed_out(organization: Organization, bob: User) -> None:
    client = client_of(bob)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert client.get(OVERVIEW).status_code == 302


def test_the_switcher_lists_only_ones_own(
    organization: Organization, alice: User, mallory: User
) -> None:
    make_organization("Second", alice, credits=0)
    page = client_of(alice).get(OVERVIEW).content.decode()
    assert "Second" in page
    assert "Elsewhere" not in page


def test_a_project_of_another_organization_cannot_be_chosen(
    organization: Organization, alice: User, mallory: User
) -> None:
    foreign = Organization.objects.get(slug="elsewhere").projects.get()
    answer = client_of(alice).post(
        "/o/acme/keys/new", {"name": "x", "project": foreign.pk, "ticket": "t"}
    )
    assert answer.status_code == 200
    assert not ApiKey.objects.exists()
