"""Single sign-on against an identity provider on loopback, and what its groups give.

Costs 3 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client

from portal.models import AuditEvent, GroupMembership, Membership, Role, User
from portal.runtime import checks, environment
from portal.signing_in import groups
from portal.tenants import members
from tests.support.cast import OPERATOR, make_organization, make_user
from tests.support.portal import accounts, identity_provider, pages
from tests.support.portal.identity_provider import CLIENT_ID, CLIENT_SECRET, Provider

pytestmark = [pytest.mark.django_db, pytest.mark.once]
BEGIN = "/account/sso/sso"


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with identity_provider.running() as provider:
        yield provider


@pytest.fixture
def issuer(
    running: Provider, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Provider:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running.person = {
        "sub": "u-1",
        "email": "Dave@Example.com",
        "email_verified": True,
        "name": "Dave D.",
        "groups": ["staff"],
    }
    running.bent, running.configuration = {}, {}
    running.signs_with = running.key
    settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID = running.url, CLIENT_ID
    settings.OIDC_CLIENT_SECRET, settings.OIDC_NAME = CLIENT_SECRET, "Acme SSO"
    settings.SOCIALACCOUNT_PROVIDERS = environment.identity_provider(
        running.url, CLIENT_ID, CLIENT_SECRET, "Acme SSO"
    )
    settings.OIDC_GROUPS = ["leads=admin@acme", "staff=developer@acme"]
    return running


def go(client: Client, issuer: Provider, next_page: str = "") -> Any:
    """There and back."""
    answer = client.post(BEGIN, {"next": next_page})
    assert answer.status_code == 302, answer.content
    return client.get(issuer.authorize(answer["location"]))


def is_signed_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def test_a_group_lets_in_changes_and_takes_away(issuer: Provider) -> None:
    acme = make_organization("Acme", make_user("alice@example.com"))
    client = Client()
    assert "Sign in with Acme SSO" in pages.read(client.get("/account/sign-in")).text
    assert go(client, issuer, "/o/acme/keys/")["location"] == "/o/acme/keys/"
    user = User.objects.get(email="dave@example.com")
    assert (user.name, user.has_usable_password()) == ("Dave D.", False)
    assert acme.memberships.get(user=user).role == Role.DEVELOPER
    issuer.person["groups"] = ["staff", "leads"]
    go(Client(), issuer)
    assert acme.memberships.get(user=user).role == Role.ADMIN
    issuer.person["groups"] = []
    other = Client()
    go(other, issuer)
    assert is_signed_in(other)
    assert not Membership.objects.filter(user=user).exists()
    assert not GroupMembership.objects.exists()
    assert SocialAccount.objects.count() == 1
    events = AuditEvent.objects.filter(actor_label=groups.PROVIDER).order_by("pk")
    assert list(events.values_list("action", flat=True)) == [
        *("member.add", "member.change_role", "member.remove"),
    ]
    signed = AuditEvent.objects.filter(action="user.sign_in", actor_id=user.pk)
    assert signed.latest("pk").detail == {"by": ["sso"]}


def test_what_people_gave_stays_and_so_does_the_last_owner(
    issuer: Provider, settings: Any
) -> None:
    dave = make_user("dave@example.com")
    acme = make_organization("Acme", make_user("alice@example.com"))
    members.add(acme, dave, Role.VIEWER, actor=OPERATOR)
    go(Client(), issuer)
    assert acme.memberships.get(user=dave).role == Role.VIEWER
    settings.OIDC_GROUPS = ["staff=owner@second"]
    second = make_organization("Second", make_user("erin@example.com"))
    go(Client(), issuer)
    assert second.memberships.get(user=dave).role == Role.OWNER
    members.remove(second.memberships.exclude(user=dave).get(), actor=OPERATOR)
    issuer.person["groups"] = []
    go(Client(), issuer)
    assert second.memberships.get(user=dave).role == Role.OWNER
    assert second.audit_events.filter(action="member.keep_last_owner").exists()


def test_a_known_person_is_found_by_the_address_and_needs_their_second_factor(
    issuer: Provider,
) -> None:
    dave = make_user("dave@example.com")
    accounts.add_app(dave)
    client = Client()
    assert go(client, issuer)["location"] == "/account/sign-in/second-factor"
    assert not is_signed_in(client)
    client.post("/account/sign-in/second-factor", {"code": accounts.app_code()})
    assert is_signed_in(client)
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("bent", "person"),
    [
        ({"nonce": "another"}, {}),
        ({"aud": "somebody"}, {}),
        ({"iss": "https://evil.example"}, {}),
        ({"exp": 1}, {}),
        ({}, {"email_verified": False}),
        ({"sub": "u-2"}, {}),
    ],
    ids=["nonce", "audience", "issuer", "expired", "unproved", "somebody else"],
)
def test_a_wrong_answer_signs_nobody_in(
    issuer: Provider, bent: dict[str, Any], person: dict[str, Any]
) -> None:
    issuer.bent = bent
    issuer.person |= person
    client = Client()
    answer = go(client, issuer)
    assert answer.status_code == 403
    assert "not signed in" in pages.read(answer).text
    assert not User.objects.exists()
    assert accounts.actions() == ["user.sign_in_failed"]


def test_a_signature_of_another_key_is_refused(issuer: Provider) -> None:
    issuer.signs_with = ec.generate_private_key(ec.SECP256R1())
    assert go(Client(), issuer).status_code == 403


def test_an_answer_is_of_one_browser_and_once(issuer: Provider) -> None:
    client, thief = Client(), Client()
    back = issuer.authorize(client.post(BEGIN)["location"])
    assert thief.get(back).status_code == 403
    assert client.get(back).status_code == 302
    assert is_signed_in(client)
    assert client.get(back).status_code == 403  # the state was used
    assert len(issuer.refused) == 0


def test_an_issuer_that_is_away_or_lies_gets_a_page(
    issuer: Provider, settings: Any
) -> None:
    issuer.configuration = {"issuer": "https://evil.example"}
    assert Client().post(BEGIN).status_code == 403
    issuer.configuration = {"token_endpoint": None}
    assert Client().post(BEGIN).status_code == 403
    settings.SOCIALACCOUNT_PROVIDERS = environment.identity_provider(
        "http://127.0.0.1:9", CLIENT_ID, CLIENT_SECRET, "x"
    )
    assert Client().post(BEGIN).status_code == 403


def test_a_stranger_without_a_group_gets_no_account(issuer: Provider) -> None:
    issuer.person["groups"] = ["guests"]
    client = Client()
    assert "without an invitation" in pages.read(go(client, issuer)).text
    assert not User.objects.exists()


def test_another_site_cannot_begin_it(issuer: Provider) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.get(BEGIN).status_code == 405
    assert client.post(BEGIN).status_code == 403


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("OIDC_GROUPS", ["x"], "E011"),
        ("OIDC_GROUPS", ["x=king@acme"], "E011"),
        ("OIDC_ISSUER", "", "E012"),
        ("OIDC_CLIENT_SECRET", "", "E014"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    issuer: Provider, settings: Any, name: str, value: Any, found: str
) -> None:
    setattr(settings, name, value)
    assert [error.id for error in checks.check_people()] == [f"tollgate.{found}"]
