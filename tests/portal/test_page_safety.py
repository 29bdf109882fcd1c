"""On every page: a strict policy, nothing inline, names inert, forms guarded."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client, override_settings
from django.urls import reverse

from portal.models import ApiKey, Organization, Role, User
from portal.tenants import members
from tests.support.cast import actor_of, make_call, make_key, make_organization
from tests.support.portal import pages, statements

pytestmark = pytest.mark.once

PAYLOADS = (
    "<x-pwned onclick=alert(1)>",
    '"><x-pwned>',
    "'><x-pwned>",
    '" onfocus=alert(1) autofocus="',
    "</title><x-pwned>",
    "</textarea></script><x-pwned>",
    "{{ 7|add:35 }}{% debug %}",
    "javascript:alert(1)//",
    "&lt;x-pwned&gt;<!--",
    "`${alert(1)}`",
)
POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
)


def all_pages(
    client: Client, organization: Organization, key: ApiKey
) -> dict[str, Any]:
    """Every page that a member may see, by what it is."""
    slug = organization.slug
    project = organization.projects.get()
    form = {"name": key.name, "project": project.pk, "ticket": key.name[:60]}
    fresh = Client()
    return {
        "sign-in": fresh.get(reverse("sign-in")),
        "overview": client.get(reverse("overview", args=[slug])),
        "keys": client.get(reverse("keys", args=[slug])),
        "new": client.get(reverse("key-create", args=[slug])),
        "wrong form": client.post(
            reverse("key-create", args=[slug]), {"name": key.name, "project": "x"}
        ),
        "secret": client.post(reverse("key-create", args=[slug]), form),
        "rotate": client.get(reverse("key-rotate", args=[slug, key.pk])),
        "revoke": client.get(reverse("key-revoke", args=[slug, key.pk])),
        "settings": client.get(reverse("settings", args=[slug])),
        "wrong settings": client.post(reverse("settings", args=[slug]), {"name": ""}),
        "address": client.get(reverse("account_email")),
        "account": client.get(reverse("account")),
        "leave": client.get(reverse("leave", args=[slug])),
        "security": client.get(reverse("security", args=[slug])),
        "sign-up": fresh.get(reverse("sign-up")),
        "reset": fresh.get(reverse("account_reset_password")),
        "missing": client.get("/nowhere"),
    }


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_names_and_models_are_text_and_nothing_else(
    payload: str, client: Client, alice: User
) -> None:
    organization = make_organization(payload, alice)
    make_organization(f"2 {payload}", alice, credits=0)
    key, _ = make_key(organization, alice, payload)
    make_call(key, model=payload)
    client.force_login(alice)
    for name, answer in all_pages(client, organization, key).items():
        page = pages.read(answer)
        assert pages.misplaced(page) == [], name
        if name not in {"sign-in", "sign-up", "reset", "address", "missing"}:
            assert " ".join(payload.split()) in page.text, name


def test_every_answer_has_the_policy(
    client: Client, alice: User, organization: Organization
) -> None:
    key, _ = make_key(organization, alice)
    client.force_login(alice)
    for name, answer in all_pages(client, organization, key).items():
        policy = answer["Content-Security-Policy"]
        assert "unsafe" not in policy, name
        assert all(directive in policy for directive in POLICY), name
        assert answer["X-Frame-Options"] == "DENY", name
        assert answer["X-Content-Type-Options"] == "nosniff", name
        assert answer["Referrer-Policy"] == "same-origin", name


def test_pages_of_an_organization_are_stored_nowhere(
    client: Client, alice: User, organization: Organization
) -> None:
    key, _ = make_key(organization, alice)
    client.force_login(alice)
    found = all_pages(client, organization, key)
    for name in set(found) - {"missing"}:
        assert "no-store" in found[name]["Cache-Control"], name
        assert "private" in found[name]["Cache-Control"], name


def test_every_page_has_one_heading_a_title_and_its_language(
    client: Client, alice: User, organization: Organization
) -> None:
    key, _ = make_key(organization, alice)
    client.force_login(alice)
    for name, answer in all_pages(client, organization, key).items():
        page = pages.read(answer)
        tags = [element.tag for element in page.elements]
        assert (tags.count("h1"), tags.count("main"), tags.count("title")) >= (
            *(1, 1, 1),
        ), name
        assert tags.count("h1") == 1, name
        assert page.elements[0].attributes["lang"] == "en", name
        tables, captions = tags.count("table"), tags.count("caption")
        assert tables == captions, name


def test_a_form_without_its_token_changes_nothing(
    organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice)
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    for route, arguments in (
        ("key-create", ["acme"]),
        ("key-rotate", ["acme", key.pk]),
        ("key-revoke", ["acme", key.pk]),
        ("settings", ["acme"]),
        ("password", []),
        ("sign-out", []),
        ("sign-in", []),
    ):
        answer = client.post(reverse(route, args=arguments), {"overlap": "0"})
        assert answer.status_code == 403, route
        assert "That form was too old" in pages.read(answer).text
    key.refresh_from_db()
    assert not key.is_revoked
    assert client.get("/o/acme/").status_code == 200


def test_a_broken_page_tells_nothing_of_its_insides(
    alice: User, organization: Organization
) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(alice)
    with statements.failing("billing_hold", RuntimeError("secret insides")):
        answer = client.get("/o/acme/")
    assert answer.status_code == 500
    assert "Something broke" in pages.read(answer).text
    assert "insides" not in answer.content.decode()


@override_settings(ALLOWED_HOSTS=["tollgate.example"])
def test_a_foreign_host_header_is_refused(db: None) -> None:
    answer = Client().get("/account/sign-in", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert "evil.example" not in answer.content.decode()


def test_the_style_sheet_is_small_and_asks_nobody_else(db: None) -> None:
    sheet = b"".join(Client().get("/static/tollgate/tollgate.css"))
    assert 5_000 < len(sheet) < 40_000
    assert b"url(" not in sheet
    assert b"@import" not in sheet


def test_a_person_sees_their_role_change_at_once(
    client: Client, organization: Organization, alice: User, bob: User
) -> None:
    client.force_login(bob)
    assert client.get("/o/acme/keys/").status_code == 200
    membership = organization.memberships.get(user=bob)
    members.change_role(membership, Role.VIEWER, actor=actor_of(alice))
    assert client.get("/o/acme/keys/").status_code == 404
