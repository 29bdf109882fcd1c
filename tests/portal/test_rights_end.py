"""A right ends with what it came from: a membership, a person who is not disabled."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from portal.models import Organization, User
from tests.support.cast import make_organization

pytestmark = pytest.mark.once


def overview(client: Client) -> str:
    return client.get(reverse("overview", args=["acme"])).content.decode()


def test_a_right_ends_with_the_membership(
    client: Client, organization: Organization, bob: User
) -> None:
    client.force_login(bob)
    url = reverse("overview", args=["acme"])
    assert client.get(url).status_code == 200
    bob.memberships.all().delete()
    assert client.get(url).status_code == 404


def test_a_disabled_person_is_signed_out(
    client: Client, organization: Organization, bob: User
) -> None:
    client.force_login(bob)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert client.get(reverse("overview", args=["acme"])).status_code == 302


def test_the_switcher_lists_only_ones_own(
    client: Client, organization: Organization, alice: User, mallory: User
) -> None:
    make_organization("Second", alice, credits=0)
    client.force_login(alice)
    page = overview(client)
    assert "Second" in page
    assert "Elsewhere" not in page
