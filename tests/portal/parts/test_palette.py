"""The search: what there is for whom, by a few letters, and nobody else's."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.models import Organization, Role, User
from portal.pages.parts.navigation import SHORTCUTS
from tests.support.cast import make_call, make_key, make_member, make_organization
from tests.support.portal import pages

pytestmark = pytest.mark.once


def found(client: Client, words: str, slug: str = "acme") -> str:
    answer = client.get(f"/o/{slug}/search", {"q": words, "part": "1"})
    assert b"<html" not in answer.content
    return pages.read(answer).text


def test_without_words_all_pages_with_their_keys(
    client: Client, alice: User, organization: Organization
) -> None:
    client.force_login(alice)
    text = found(client, "")
    assert "Page API keys g k" in text
    page = pages.read(client.get("/o/acme/search"))
    assert "Page Overview g o" in page.text
    shortcuts = [
        e.attributes["data-key"] for e in page.elements if "data-key" in e.attributes
    ]
    assert len(shortcuts) == len(set(shortcuts)) > 2


def test_a_key_is_found_by_its_name_and_its_end(
    client: Client, alice: User, bob: User, organization: Organization
) -> None:
    key, secret = make_key(organization, alice, "Checkout service")
    make_key(organization, alice, "another")
    client.force_login(alice)
    for words in ("checkout", secret, key.last4):
        text = found(client, words)
        assert "Key Checkout service" in text
        assert "another" not in text
        assert secret[17:49] not in text.replace(words, "")
    client.force_login(bob)  # sees his own only
    assert "Key" not in found(client, "checkout")
    client.force_login(make_member(organization, "v@example.com", Role.VIEWER))
    assert "Key" not in found(client, "checkout")


def test_nothing_of_another_organization(
    client: Client, mallory: User, organization: Organization, alice: User
) -> None:
    make_key(organization, alice, "Checkout service")
    client.force_login(mallory)
    assert found(client, "checkout", "elsewhere").startswith("Nothing is called")
    assert client.get("/o/acme/search").status_code == 404


@pytest.mark.parametrize("words", ["%", "_", "\0", "x" * 5000, "req_" + "0" * 32, "é"])
def test_odd_words_find_nothing(
    client: Client, alice: User, organization: Organization, words: str
) -> None:
    make_key(organization, alice, "Checkout service")
    client.force_login(alice)
    assert "Checkout" not in found(client, words)


def test_the_same_number_of_queries_for_any_number_of_things(
    client: Client, alice: User, django_assert_max_num_queries: object
) -> None:
    organization = make_organization("Many", alice)
    for number in range(12):
        make_key(organization, alice, f"key {number}")
    client.force_login(alice)
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        found(client, "key", organization.slug)


def test_every_shortcut_is_of_one_page() -> None:
    letters = list(SHORTCUTS.values())
    assert len(letters) == len(set(letters))


def test_a_member_a_project_and_a_call_are_found(
    client: Client, alice: User, bob: User, organization: Organization
) -> None:
    key, _ = make_key(organization, alice)
    request_id = f"req_{make_call(key, model='a/model')}"
    client.force_login(alice)
    assert "Member bob@example.com developer" in found(client, "BOB@")
    assert "Project Default" in found(client, "defau")
    assert f"Call {request_id} a/model" in found(client, request_id)
    client.force_login(bob)
    assert "Member" not in found(client, "bob@")
    assert "Call" not in found(client, request_id)
