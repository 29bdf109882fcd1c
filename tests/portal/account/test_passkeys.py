"""Passkeys that are there: another name, and removed. How one is added and signs in is
in `test_passkeys_browser.py`."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from portal.models import User
from tests.support.cast import PASSWORD, make_user
from tests.support.portal import accounts, pages

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def make_passkey(user: User, name: str = "laptop") -> Authenticator:
    data = {"name": name, "credential": {"id": "AAAA", "type": "public-key"}}
    return Authenticator.objects.create(
        user=user, type=Authenticator.Type.WEBAUTHN, data=data
    )


@pytest.fixture
def passkey(carol: User) -> Authenticator:
    return make_passkey(carol)


@pytest.fixture
def browser(carol: User) -> Client:
    """Signed in by password just now, so that nothing is to be confirmed."""
    client = Client()
    client.force_login(carol)
    return client


def confirmed(browser: Client, url: str) -> None:
    answer = browser.get(url)
    if answer.status_code == 302:
        form = {"password": PASSWORD, "next": url}
        assert browser.post(answer["location"], form)["location"] == url


def test_another_name(browser: Client, carol: User, passkey: Authenticator) -> None:
    url = f"/account/passkeys/{passkey.pk}/rename"
    confirmed(browser, url)
    for bad in ("", "x" * 200, "a\x00b"):
        answer = browser.post(url, {"name": bad})
        assert answer.status_code == 200, bad
    passkey.refresh_from_db()
    assert passkey.wrap().name == "laptop"
    assert browser.post(url, {"name": "old phone"})["location"] == "/account/"
    assert "old phone" in pages.read(browser.get("/account/")).text
    assert accounts.actions(carol)[-1] == "user.rename_passkey"


def test_removed_once(browser: Client, carol: User, passkey: Authenticator) -> None:
    url = f"/account/passkeys/{passkey.pk}/remove"
    confirmed(browser, url)
    assert Authenticator.objects.filter(pk=passkey.pk).exists()  # it asks first
    assert browser.post(url)["location"] == "/account/"
    assert not Authenticator.objects.filter(user=carol).exists()
    assert accounts.actions(carol)[-1] == "user.remove_passkey"
    assert browser.post(url).status_code == 404  # a double click


def test_removing_is_confirmed_by_whoever_is_signed_in(
    carol: User, passkey: Authenticator
) -> None:
    client = Client()
    client.force_login(carol)
    answer = client.post(f"/account/passkeys/{passkey.pk}/remove")
    assert answer["location"].startswith("/account/confirm")
    assert Authenticator.objects.filter(pk=passkey.pk).exists()


@pytest.mark.parametrize("action", ["rename", "remove"])
def test_anothers_passkey_is_as_missing_as_none(
    browser: Client, carol: User, action: str
) -> None:
    theirs = make_passkey(make_user("mallory@example.com", PASSWORD), "theirs")
    own = make_passkey(carol)
    confirmed(browser, f"/account/passkeys/{own.pk}/{action}")
    for pk in (theirs.pk, 10**7):
        url = f"/account/passkeys/{pk}/{action}"
        assert browser.get(url).status_code == 404
        assert browser.post(url, {"name": "mine"}).status_code == 404
    theirs.refresh_from_db()
    assert theirs.wrap().name == "theirs"
