"""Light or dark: the server renders what was chosen, and leads nowhere else."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.models import Organization, User

pytestmark = pytest.mark.once


def theme_of(client: Client) -> str | None:
    html = client.get("/account/sign-in").content.decode()
    for theme in ("light", "dark"):
        if f'data-theme="{theme}"' in html:
            return theme
    assert "data-theme" not in html
    return None


def test_a_choice_is_kept_until_it_is_taken_back(db: None, client: Client) -> None:
    assert theme_of(client) is None
    for theme in ("dark", "light"):
        answer = client.post("/theme", {"theme": theme, "next": "/account/sign-in"})
        assert answer["Location"] == "/account/sign-in"
        assert theme_of(client) == theme
        assert answer.cookies["theme"]["httponly"]
    client.post("/theme", {"theme": "system"})
    assert theme_of(client) is None


@pytest.mark.parametrize("kept", ['dark" onclick=x', "Dark", "\0", "x" * 4000])
def test_a_cookie_that_is_no_theme_is_none(db: None, client: Client, kept: str) -> None:
    client.cookies["theme"] = kept
    assert theme_of(client) is None


@pytest.mark.parametrize(
    "back",
    [
        *("https://evil.example/", "//evil.example", "/\\evil.example", ""),
        *("javascript:alert(1)", "http:///evil.example"),
    ],
)
def test_it_never_leads_elsewhere(db: None, client: Client, back: str) -> None:
    answer = client.post("/theme", {"theme": "dark", "next": back})
    assert answer["Location"] == "/"


def test_a_page_that_cannot_be_asked_for_again_offers_no_choice(
    client: Client, alice: User, organization: Organization
) -> None:
    """A key's secret would be gone."""
    client.force_login(alice)
    assert b'action="/theme"' in client.get("/o/acme/").content
    form = {"name": "x", "project": organization.projects.get().pk, "ticket": "t"}
    answer = client.post("/o/acme/keys/new", form)
    assert b"tg_live" in answer.content
    assert b'action="/theme"' not in answer.content
