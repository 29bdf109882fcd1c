"""`manage.py bootstrap`: the first tenant in one command, whole or not at all."""

from __future__ import annotations

import json
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from billing.models import Account
from billing.reports.balance import balance_of
from billing.values.errors import AccountLocked
from billing.values.orders import CREDIT
from portal.models import ApiKey, Membership, Organization, Role, User
from portal.tenants import keys, members, organizations
from tests.support.cast import OPERATOR

pytestmark = [pytest.mark.django_db, pytest.mark.once]


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
    return balance_of(account_id).available_micros // CREDIT


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


def test_a_second_person_becomes_an_owner_only_when_told_to_join() -> None:
    bootstrap()
    tables = (User, Membership, ApiKey)
    before = [table.objects.count() for table in tables]
    with pytest.raises(CommandError, match="acme .* carol@example.com .* --join"):
        bootstrap(email="carol@example.com")
    assert [table.objects.count() for table in tables] == before
    bootstrap(email="carol@example.com", join=True)
    roles = Organization.objects.get().memberships.values_list("role", flat=True)
    assert list(roles) == ["owner", "owner"]
    assert credits_of("acme") == 500


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("公司", "株式会社"),
        ("Acme & Sons", "Acme, Sons"),
        ("Société", "Societe"),
        ("Acme", "ACME"),
        ("x" * 61, "x" * 62),
    ],
)
@pytest.mark.parametrize("email", ["alice@example.com", "carol@example.com"])
def test_two_names_are_two_organizations(one: str, other: str, email: str) -> None:
    first = bootstrap(organization=one)["organization"]
    second = bootstrap(organization=other, email=email)["organization"]
    assert first != second
    found = Organization.objects.get(slug=second)
    assert found.name == other
    assert found.memberships.get().user.email == email
    assert (credits_of(first), credits_of(second)) == (500, 500)
    again = bootstrap(organization=other, email=email)
    assert again["organization"] == second
    assert credits_of(second) == 500


def test_one_name_is_one_organization_however_it_is_encoded() -> None:
    for name in ("Soci\u00e9t\u00e9", " Socie\u0301te\u0301 "):
        assert bootstrap(organization=name)["organization"] == "societe"
    assert credits_of("societe") == 500


def test_a_renamed_organization_is_found_by_its_first_name_only(
    mallory: User,
) -> None:
    bootstrap()
    acme, elsewhere = Organization.objects.order_by("slug")
    organizations.change(acme, name="Rocket", actor=OPERATOR)
    # Hers, with alice in it, called as the next customer will be: it catches nothing.
    alice = User.objects.get(email="alice@example.com")
    members.add(elsewhere, alice, Role.VIEWER, actor=OPERATOR)
    organizations.change(elsewhere, name="Globex", actor=OPERATOR)
    assert bootstrap()["organization"] == "acme"
    assert bootstrap(organization="Globex")["organization"] == "globex"
    assert bootstrap(organization="Rocket")["organization"] == "rocket"


def test_organizations_of_before_are_found_by_their_first_name() -> None:
    bootstrap()
    bootstrap(organization="Globex")
    acme = Organization.objects.get(slug="acme")
    for name in ("Rocket", "Globex"):
        organizations.change(acme, name=name, actor=OPERATOR)
    Organization.objects.update(bootstrapped_as=None)
    migration = import_module("portal.migrations.0004_organization_remembers_bootstrap")
    migration.remember(apps, None)
    names = Organization.objects.order_by("pk").values_list(
        "bootstrapped_as", flat=True
    )
    assert list(names) == ["Acme", "Globex"]


def test_a_new_reference_grants_more() -> None:
    bootstrap()
    bootstrap(reference="order 17", credits=7)
    assert credits_of("acme") == 507


def test_other_credits_under_the_same_reference_are_refused() -> None:
    bootstrap()
    with pytest.raises(CommandError, match="--reference"):
        bootstrap(credits=501)
    assert credits_of("acme") == 500


def test_a_reference_grants_to_one_organization_only() -> None:
    bootstrap(reference="order 17")
    with pytest.raises(CommandError, match="another organization's"):
        bootstrap(organization="Globex", reference="order 17")
    assert not Organization.objects.filter(slug="globex").exists()


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


def test_an_account_that_stays_locked_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bootstrap()

    def locked(*_: Any, **__: Any) -> None:
        raise AccountLocked("canceling statement due to lock timeout")

    monkeypatch.setattr("billing.grants.issue", locked)
    with pytest.raises(CommandError, match="locked: nothing was made"):
        bootstrap(reference="more")
    assert ApiKey.objects.count() == 1
