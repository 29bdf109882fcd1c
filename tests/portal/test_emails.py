"""One address, one person, one counter of attempts, however it is spelled."""

from __future__ import annotations

import importlib
import tracemalloc

import pytest
from django.apps import apps
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory

from portal.models import User
from portal.signing_in import limits
from tests.support.cast import PASSWORD, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.once]

# Each line spells one address: composed, decomposed, in capitals, in wide letters.
SAME = [
    ("a@b\u00fccher.example", "a@bu\u0308cher.example"),
    ("a@b\u00fccher.example", "A@B\u00dcCHER.example"),
    ("a@example.com", "a@\uff45xample.com"),
    ("a@example.com", " A@Example.COM "),
    ("a@example.com", "\uff21@example.com"),
]


@pytest.mark.parametrize(("stored", "typed"), SAME)
def test_every_spelling_finds_the_one_user(stored: str, typed: str) -> None:
    user = make_user(stored, PASSWORD)
    assert authenticate(username=typed, password=PASSWORD) == user
    assert User.objects.get_by_natural_key(typed) == user


@pytest.mark.parametrize(("stored", "typed"), SAME)
def test_every_spelling_counts_as_the_same_name(stored: str, typed: str) -> None:
    request = RequestFactory().post("/")
    for _ in range(limits.PASSWORD.most):
        assert limits.allow_password(request, stored)
    assert not limits.allow_password(request, typed)


@pytest.mark.parametrize(("first", "again"), SAME[:3])
def test_bootstrap_makes_no_second_user_of_another_spelling(
    first: str, again: str
) -> None:
    for email in (first, again):
        call_command("bootstrap", organization="Acme", email=email, credits=1)
    assert [user.email for user in User.objects.all()] == [first]


def test_another_letter_is_another_person() -> None:
    """PostgreSQL takes the dotless i for an i, where it compares in any case."""
    make_user("alice@example.com", PASSWORD)
    assert authenticate(username="al\u0131ce@example.com", password=PASSWORD) is None


def test_an_address_is_judged_by_the_form_that_is_stored() -> None:
    with pytest.raises(CommandError, match="valid email"):
        call_command(
            "bootstrap", organization="Acme", email="a@b\uff20example.com", credits=1
        )


def test_addresses_of_before_get_their_form_where_it_is_free() -> None:
    for email in ("a@\uff45xample.com", "b@example.com", "b@\uff45xample.com"):
        User.objects.create(email=email)
    migration = importlib.import_module("portal.migrations.0003_normalize_emails")
    migration.normalize(apps, None)
    found = User.objects.order_by("pk").values_list("email", flat=True)
    assert list(found) == ["a@example.com", "b@example.com", "b@\uff45xample.com"]


@pytest.mark.parametrize(
    ("path", "field"), [("sign-in", "login"), ("password/reset", "email")]
)
def test_megabytes_in_its_place_are_no_work(
    client: Client, path: str, field: str
) -> None:
    """Nobody is signed in yet. Each of these letters becomes 18."""
    name = "\ufdfa" * 700_000
    form = {field: name, "password": "x"}
    tracemalloc.start()
    try:
        answer = client.post(f"/account/{path}", form)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code == 200
    assert most < 64 * 1024**2  # it was 229 MB
    assert len(User.objects.normalize_email(name)) < 2_000


def test_space_around_an_address_makes_no_other_of_it(client: Client) -> None:
    user = make_user("ann@example.com", PASSWORD)
    padded = " " * 5_000 + user.email + "\u3000" * 5_000
    assert User.objects.normalize_email(padded) == user.email
    for _ in range(limits.PASSWORD.most):
        client.post("/account/sign-in", {"login": padded, "password": "wrong"})
    right = {"login": user.email, "password": PASSWORD}
    assert client.post("/account/sign-in", right).status_code == 429
