"""Signing in: one answer to every failure, and no way to lock out others."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client, override_settings
from django.urls import reverse

from portal.models import AuditEvent, User
from portal.signing_in import limits
from tests.support.cast import PASSWORD, make_user
from tests.support.portal import pages

pytestmark = pytest.mark.once

URL = "/account/sign-in"


@pytest.fixture
def carol(db: None) -> User:
    """Has a password; hashing one takes a while, so few tests use it."""
    return make_user("carol@example.com", PASSWORD)


def sign_in(client: Client, name: str, password: str, **extra: Any) -> Any:
    next_page = extra.pop("next", "")
    form = {"login": name, "password": password, "next": next_page}
    return client.post(URL, form, **extra)


def test_the_right_password_opens_and_is_audited(client: Client, carol: User) -> None:
    answer = sign_in(client, "Carol@Example.com", PASSWORD)
    assert (answer.status_code, answer["location"]) == (302, "/")
    event = AuditEvent.objects.get(action="user.sign_in")
    assert (event.actor, event.ip_address) == (carol, "127.0.0.1")


def test_unknown_wrong_and_disabled_get_the_same_answer(
    client: Client, carol: User
) -> None:
    disabled = make_user("dave@example.com", PASSWORD)
    User.objects.filter(pk=disabled.pk).update(is_active=False)
    answers = [
        sign_in(client, "nobody@example.com", PASSWORD),
        sign_in(client, "carol@example.com", "wrong"),
        sign_in(client, "dave@example.com", PASSWORD),
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert len({pages.read(answer).text for answer in answers}) == 1
    assert "do not match" in pages.read(answers[0]).text


class CountingHasher(MD5PasswordHasher):
    """Remembers what it has hashed."""

    algorithm = "counting"
    hashed: ClassVar[list[str]] = []

    def encode(self, password: str, salt: str) -> str:
        self.hashed.append(password)
        return super().encode(password, salt)


@override_settings(PASSWORD_HASHERS=[f"{__name__}.CountingHasher"])
def test_an_unknown_name_costs_a_hash_too(client: Client, db: None) -> None:
    CountingHasher.hashed.clear()
    sign_in(client, "nobody@example.com", "guess")
    assert CountingHasher.hashed == ["guess"]


def guess(client: Client, name: str, address: str) -> int:
    """Without a password there is nothing to hash: the counter is what is tested."""
    return int(sign_in(client, name, "", REMOTE_ADDR=address).status_code)


def test_many_failures_stop_the_pair_of_address_and_name_only(
    client: Client, db: None
) -> None:
    name = "carol@example.com"
    for _ in range(limits.PASSWORD.most):
        assert guess(client, name, "203.0.113.1") == 200
    assert guess(client, f" {name.upper()} ", "203.0.113.1") == 429
    assert guess(client, name, "203.0.113.2") == 200  # the victim, elsewhere
    assert guess(client, "dave@example.com", "203.0.113.1") == 200


def test_the_stop_says_when_to_come_back(client: Client, db: None) -> None:
    for _ in range(limits.PASSWORD.most):
        guess(client, "carol@example.com", "203.0.113.1")
    answer = sign_in(client, "carol@example.com", "", REMOTE_ADDR="203.0.113.1")
    assert answer["Retry-After"] == "900"
    assert "15 minutes" in pages.read(answer).text


def test_a_success_clears_the_count(client: Client, carol: User) -> None:
    for _ in range(limits.PASSWORD.most - 1):
        guess(client, carol.email, "127.0.0.1")
    sign_in(client, carol.email, PASSWORD)
    client.post(reverse("sign-out"))
    for _ in range(limits.PASSWORD.most):
        assert guess(client, carol.email, "127.0.0.1") == 200


@pytest.mark.parametrize(
    ("wanted", "opened"),
    [
        ("/o/acme/keys/", "/o/acme/keys/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_next_stays_on_this_host(
    client: Client, carol: User, wanted: str, opened: str
) -> None:
    answer = sign_in(client, carol.email, PASSWORD, next=wanted)
    assert answer["location"] == opened


@pytest.mark.parametrize("name", ["", "a\0b", "%", "' OR 1=1 --", "x" * 5000])
def test_odd_names_are_refused_quietly(client: Client, db: None, name: str) -> None:
    assert sign_in(client, name, "guess").status_code == 200


def test_signing_out_needs_a_post(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get(reverse("sign-out")).status_code == 405
    assert client.post(reverse("sign-out")).status_code == 302
    assert client.get("/")["location"].startswith(URL)


def test_a_new_password_ends_the_other_sessions(carol: User) -> None:
    here, there = Client(), Client()
    for client in (here, there):
        client.force_login(carol)
    new = "a brand new passphrase"
    answer = here.post(
        reverse("password"),
        {"oldpassword": PASSWORD, "password1": new},
        follow=True,
    )
    assert "Password changed" in pages.read(answer).text
    assert here.get(reverse("password")).status_code == 200
    assert there.get(reverse("password")).status_code == 302
    assert AuditEvent.objects.filter(action="user.change_password").count() == 1
