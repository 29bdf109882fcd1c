"""`manage.py bootstrap`: the first tenant in one command, whole or not at all."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from billing import reports
from billing.models import Account
from billing.orders import CREDIT
from portal import keys
from portal.models import ApiKey, Organization, User

pytestmark = pytest.mark.django_db


def bootstrap(**options: Any) -> dict[str, Any]:
    output = StringIO()
    wanted = {
        "organization": "Acme",
        "email": "Alice@example.com",
        "credits": 500,
        "json": True,
        **options,
    }
    call_command("bootstrap", stdout=output, **wanted)
    made: dict[str, Any] = json.loads(output.getvalue())
    return made


def credits_of(slug: str) -> int:
    account_id = Organization.objects.get(slug=slug).account_id
    return reports.balance(account_id).available_micros // CREDIT


def test_it_makes_user_organization_credits_and_key() -> None:
    made = bootstrap()
    assert list(made) == ["organization", "email", "password", "api_key"]
    assert (made["organization"], made["email"]) == ("acme", "alice@example.com")
    assert credits_of("acme") == 500
    assert keys.verify(made["api_key"]).organization_slug == "acme"
    assert authenticate(username="alice@example.com", password=made["password"])


def test_again_it_finds_them_and_grants_nothing() -> None:
    first = bootstrap(password="a long enough password")
    again = bootstrap(password="another long password")
    assert first["password"] == "a long enough password"
    assert again["password"] is None
    assert again["api_key"] != first["api_key"]
    keys.verify(first["api_key"])
    assert credits_of("acme") == 500
    assert (User.objects.count(), Organization.objects.count()) == (1, 1)


def test_a_second_person_becomes_an_owner() -> None:
    bootstrap()
    bootstrap(email="carol@example.com")
    roles = Organization.objects.get().memberships.values_list("role", flat=True)
    assert list(roles) == ["owner", "owner"]
    assert credits_of("acme") == 500


def test_a_new_reference_grants_more() -> None:
    bootstrap()
    bootstrap(reference="order 17", credits=7)
    assert credits_of("acme") == 507


def test_other_credits_under_the_same_reference_are_refused() -> None:
    bootstrap()
    with pytest.raises(CommandError, match="--reference"):
        bootstrap(credits=501)
    assert credits_of("acme") == 500


def test_for_people_it_prints_lines() -> None:
    output = StringIO()
    call_command(
        "bootstrap",
        organization="Acme",
        email="alice@example.com",
        credits=1,
        key_name="ci",
        stdout=output,
    )
    assert ApiKey.objects.get().name == "ci"
    assert output.getvalue().startswith("organization  acme\nemail")


@pytest.mark.parametrize(
    "wrong",
    [
        {"credits": 0},
        {"credits": -5},
        {"credits": 10**18},
        {"email": "nobody"},
        {"password": "short"},
        {"organization": "  "},
        {"organization": "a\nb"},
        {"key_name": "a\u202eb"},
    ],
    ids=str,
)
def test_nonsense_is_refused_and_nothing_is_written(wrong: dict[str, Any]) -> None:
    tables = (User, Organization, ApiKey, Account)
    before = [table.objects.count() for table in tables]
    with pytest.raises(CommandError):
        bootstrap(**wrong)
    assert [table.objects.count() for table in tables] == before
