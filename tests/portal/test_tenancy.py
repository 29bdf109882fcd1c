"""Every page × everybody: whose it is opens it, all others learn nothing.

A new route makes this fail until it is in the table: decide who may open it.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import NamedTuple
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from portal.models import ApiKey, Organization, Role, User
from tests.support.cast import make_key, make_member, make_organization, make_user
from tests.support.portal import pages
from tests.support.services.database import undone

pytestmark = pytest.mark.once  # whose a page is, is the same on any database


def arguments_of(route: str) -> list[str]:
    """The names of what stands in its URL."""
    [(_, names)], *_ = get_resolver().reverse_dict.getlist(route)[0]
    return list(names)


PEOPLE = (
    *("anonymous", "stranger", "owner", "admin", "developer"),
    *("billing", "viewer"),
)
ENTRANCES = ("sign-in", "account_login", "sign-up", "account_signup")
OF_ONESELF = (
    *("account", "mfa_index", "mfa_list_webauthn", "account_email"),
    *("second-factor-needed", "account_request_reauthentication_code"),
)
LEADING_ON = (  # of accounts without a password, as these are
    *("password", "account_change_password", "account_reauthenticate"),
    *("mfa_login_webauthn", "mfa_authenticate", "account_email_verification_sent"),
    *("account_set_password", "account_confirm_password_reset_code"),
    *("account_complete_password_reset", "mfa_reauthenticate"),
    *("mfa_reauthenticate_webauthn", "account_confirm_reauthentication_code"),
    *("mfa_activate_totp", "mfa_add_webauthn", "mfa_edit_webauthn"),
    *("mfa_remove_webauthn", "mfa_view_recovery_codes", "mfa_generate_recovery_codes"),
)
ALL_BY_POST = ("sign-out", "account_logout", "end-session", "openid_connect_login")
# Routes of an organization that every member, owners and admins, or these and billing
# may open; `BY_MANAGERS` are told that they are to be sent.
EVERYBODY = (
    *("overview", "usage", "usage-views", "usage-view-save", "leave", "projects"),
    *("project", "budgets", "activity", "runs", "search"),
)
MANAGERS = (
    *("key", "key-seen", "key-limits", "key-leaked", "service-accounts"),
    *("key-rotate", "key-revoke", "settings", "organization-address", "invite"),
    *("invitations", "member", "member-remove", "project-create", "project-edit"),
    *("project-leave", "project-costs", "key-costs"),
)
BY_MANAGERS = (
    *("service-account", "invitation-renew", "invitation-revoke", "member-disable"),
    *("member-enable", "project-archive", "project-restore", "project-join"),
)
WITH_BILLING = (
    *("members", "audit", "budget-create", "explain", "explain-json"),
    *("statements", "statement", "statement-json", "statement-pdf"),
    *("export-schedules", "explain-zip", "credits", "ledger", "top-up"),
)
OF_ENDPOINTS = ("webhook", "webhook-edit", "webhook-rotate", "delivery")
POSTED_OF_ENDPOINTS = ("webhook-change", "delivery-replay")
OF_AN_EXPORT = ("export-download", "export-metadata")
BUYING = ("topup-buy", "topup-ask", "auto-topup-stop", "auto-topup-resume")
CHANGING_LIMITS = (
    *("budget-change", "budget-remove", "budget-raise", "budget-raise-end"),
    *("raise-request-grant", "raise-request-refuse"),
)
# name of the route: the status that each of PEOPLE gets for a GET. Routes of a key
# are asked with a key that the owner made.
EXPECTED = {
    "home": (302, 302, 302, 302, 302, 302, 302),
    # One's own account: whoever is signed in, and nobody else's by any address.
    **dict.fromkeys(ENTRANCES, (200, 302, 302, 302, 302, 302, 302)),
    **dict.fromkeys(OF_ONESELF, (302, 200, 200, 200, 200, 200, 200)),
    # What asks again who one is, or leads on to where something waits.
    **dict.fromkeys(LEADING_ON, (302, 302, 302, 302, 302, 302, 302)),
    **dict.fromkeys(ALL_BY_POST, (405, 405, 405, 405, 405, 405, 405)),
    "account_reset_password": (200, 200, 200, 200, 200, 200, 200),
    "found-organization": (302, 404, 404, 404, 404, 404, 404),
    "mfa_deactivate_totp": (302, 404, 404, 404, 404, 404, 404),
    "openid_connect_callback": (404, 404, 404, 404, 404, 404, 404),
    "security": (302, 404, 200, 404, 404, 404, 404),
    # Of a view that is not shared: nobody else's.
    "usage-view": (302, 404, 404, 404, 404, 404, 404),
    "usage-view-delete": (302, 404, 405, 405, 405, 405, 405),
    "keys": (302, 404, 200, 200, 200, 404, 404),
    "key-create": (302, 404, 200, 200, 200, 404, 404),
    "key-bulk": (302, 404, 405, 405, 405, 404, 404),
    "key-edit": (302, 404, 405, 405, 405, 404, 404),
    "key-state": (302, 404, 405, 405, 405, 404, 404),
    "key-end-secret": (302, 404, 405, 405, 405, 404, 404),
    "organization-create": (302, 404, 404, 404, 404, 404, 404),
    "invitation": (404, 404, 404, 404, 404, 404, 404),
    # Of a limit that does not exist: `money/test_budget_pages.py` has the others.
    "budget": (302, 404, 404, 404, 404, 404, 404),
    "budget-link": (302, 404, 404, 404, 404, 404, 404),
    "budget-ask": (302, 404, 405, 405, 405, 404, 404),
    **dict.fromkeys(CHANGING_LIMITS, (302, 404, 405, 405, 404, 405, 404)),
    # Of a call that does not exist: `test_request_page.py` has the others.
    "request": (302, 404, 404, 404, 404, 404, 404),
    **dict.fromkeys(
        ("webhooks", "webhook-create"), (302, 404, 200, 200, 404, 404, 404)
    ),
    # Of endpoints that do not exist: `notices/test_pages.py` has the others.
    **dict.fromkeys(OF_ENDPOINTS, (302, 404, 404, 404, 404, 404, 404)),
    **dict.fromkeys(POSTED_OF_ENDPOINTS, (302, 404, 405, 405, 404, 404, 404)),
    **dict.fromkeys(("alerts", "chat-create"), (302, 404, 200, 200, 404, 200, 404)),
    **dict.fromkeys(
        ("alerts-test", "chat-change"), (302, 404, 405, 405, 404, 405, 404)
    ),
    # Buying, by post; where a provider sends buyers back to; where Stripe tells.
    **dict.fromkeys(BUYING, (302, 404, 405, 404, 404, 405, 404)),
    "auto-topup": (302, 404, 200, 404, 404, 200, 404),
    **dict.fromkeys(("topup", "receipt"), (302, 404, 404, 404, 404, 404, 404)),
    "payment-back": (302, 404, 404, 404, 404, 404, 404),
    "stripe-webhook": (405, 405, 405, 405, 405, 405, 405),
    "exports": (302, 404, 200, 200, 404, 200, 200),
    # Of what there is not: tests/portal/documents has the others.
    **dict.fromkeys(OF_AN_EXPORT, (302, 404, 404, 404, 404, 404, 404)),
    "receipt-pdf": (302, 404, 404, 404, 404, 404, 404),
    "month-end": (302, 404, 405, 405, 404, 405, 404),
    "export-schedule-delete": (302, 404, 405, 405, 404, 405, 404),
    "theme": (405, 405, 405, 405, 405, 405, 405),
    # Of an organization, by what its roles may do.
    **dict.fromkeys(EVERYBODY, (302, 404, 200, 200, 200, 200, 200)),
    **dict.fromkeys(MANAGERS, (302, 404, 200, 200, 404, 404, 404)),
    **dict.fromkeys(BY_MANAGERS, (302, 404, 405, 405, 404, 404, 404)),
    **dict.fromkeys(WITH_BILLING, (302, 404, 200, 200, 404, 200, 404)),
}
# Routes of other layers have their tables beside their own tests.
# tests/proxy/jobs/test_job_pages.py and tests/proxy/pages/test_models_page.py
ELSEWHERE = frozenset({"jobs", "job", "models"})
OF_A_KEY = (
    *("key", "key-seen", "key-limits", "key-leaked", "key-rotate", "key-revoke"),
    *("key-edit", "key-state", "key-end-secret", "key-costs"),
)
OF_A_NUMBER = (
    *("key-end-secret", "service-account", "receipt-pdf", "export-schedule-delete"),
)
OF_A_MONTH = ("statement", "statement-json", "statement-pdf", "month-end")
POSTED = {"key-edit", "key-state", "key-end-secret"}
READ = {"key", "key-seen"}
OF_A_PASSKEY = ("mfa_edit_webauthn", "mfa_remove_webauthn")
OF_THE_PROVIDER = ("openid_connect_login", "openid_connect_callback")
OF_A_VIEW = ("usage-view", "usage-view-delete")
OF_A_LIMIT = ("budget", "budget-ask", "budget-link", *CHANGING_LIMITS)
OF_A_MEMBER = ("member", "member-remove", "project-leave")
OF_A_PROJECT = ("project", "project-edit", "project-leave", "project-costs")
BY_POST = (
    *("invitation-renew", "invitation-revoke", "member-disable", "member-enable"),
    *("project-archive", "project-restore", "project-join"),
)
CHANGING = ("organization-address", "invite", "member-remove", "project-create")
OF_AN_ORGANIZATION = tuple(name for name in EXPECTED if "slug" in arguments_of(name))


def routes(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns)
        else:
            yield pattern.name or str(pattern.pattern)


def url_of(route: str, slug: str = "acme", key_id: object = None) -> str:
    arguments: list[object] = [slug] if route in OF_AN_ORGANIZATION else []
    if route in OF_A_KEY:
        arguments.append(key_id or uuid4())
    if route in OF_A_MONTH:
        arguments.append(f"{timezone.now():%Y-%m}")
    if route == "request":
        arguments.append(f"req_{uuid4().hex}")
    if route in (*OF_A_NUMBER, *OF_A_VIEW, *OF_A_LIMIT, *OF_A_PASSKEY, *BY_POST):
        arguments.append(1)
    acme = Organization.objects.filter(slug="acme").first()
    if acme is not None and route in OF_A_PROJECT:
        arguments.append(acme.projects.get().pk)
    if acme is not None and route in OF_A_MEMBER:  # the viewer, where there is one
        arguments.append(acme.memberships.latest("pk").pk)
    if route in ("topup", "topup-ask", "receipt", *OF_AN_EXPORT):
        arguments.append(uuid4())
    if route in (*OF_ENDPOINTS, *POSTED_OF_ENDPOINTS, "chat-change"):
        arguments.append(uuid4())
    if route in ("delivery", "delivery-replay"):
        arguments.append(1)
    if route in ("invitation", "payment-back"):
        arguments.append("x")
    if route in OF_THE_PROVIDER:
        arguments.append("sso")
    return reverse(route, args=arguments)


class World(NamedTuple):
    people: dict[str, User | None]
    clients: dict[str, Client]  # theirs, signed in
    key: ApiKey  # the owner's


@pytest.fixture(scope="module")
def kept(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), undone():
        alice, mallory = map(make_user, ("alice@example.com", "mallory@example.net"))
        acme, _ = map(make_organization, ("Acme", "Elsewhere"), (alice, mallory))
        people = {"stranger": mallory, "owner": alice}
        for role in (Role.ADMIN, Role.DEVELOPER, Role.BILLING, Role.VIEWER):
            people[role.value] = make_member(acme, f"{role}@example.com", role)
        clients = {who: Client() for who in ("anonymous", *people)}
        for who, person in people.items():
            clients[who].force_login(person)
        yield World({"anonymous": None, **people}, clients, make_key(acme, alice)[0])


@pytest.fixture
def world(kept: World) -> Iterator[World]:
    """What a test changes of it is undone."""
    cookies = {who: deepcopy(each.cookies) for who, each in kept.clients.items()}
    with undone():
        yield kept._replace(key=ApiKey.objects.get(pk=kept.key.pk))
    for who, each in kept.clients.items():
        each.cookies = cookies[who]


def test_every_route_is_in_the_table() -> None:
    assert set(routes(get_resolver().url_patterns)) == set(EXPECTED) | ELSEWHERE


@pytest.mark.parametrize("route", EXPECTED)
def test_who_may_open_a_page(route: str, world: World) -> None:
    url = url_of(route, key_id=world.key.pk)
    found = tuple(world.clients[who].get(url).status_code for who in PEOPLE)
    assert found == EXPECTED[route]


@pytest.mark.parametrize("route", OF_AN_ORGANIZATION)
def test_a_foreign_organization_is_as_missing_as_a_missing_one(
    route: str, world: World
) -> None:
    client = world.clients["stranger"]
    foreign = client.get(url_of(route, "acme", world.key.pk))
    missing = client.get(url_of(route, "nowhere", world.key.pk))
    assert (foreign.status_code, missing.status_code) == (404, 404)
    # Read as pages: the forms' CSRF tokens differ from answer to answer.
    assert pages.read(foreign).text == pages.read(missing).text


@pytest.mark.parametrize("route", OF_A_KEY)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_foreign_key_under_ones_own_organization_is_missing(
    route: str, method: str, world: World
) -> None:
    client, key = world.clients["stranger"], world.key
    url = url_of(route, "elsewhere", key.pk)
    answer = getattr(client, method)(url, {"overlap": "0"})
    is_told = route in (POSTED if method == "get" else READ)
    assert answer.status_code == (405 if is_told else 404)
    key.refresh_from_db()
    assert not key.is_revoked


@pytest.mark.parametrize("who", ["anonymous", "stranger", "billing", "viewer"])
def test_those_without_the_right_change_nothing(who: str, world: World) -> None:
    client, organization = world.clients[who], world.key.organization
    form = {
        "name": "mine",
        "project": organization.projects.get().pk,
        "ticket": "t",
        "overlap": "0",
    }
    for route in ("key-create", "key-rotate", "key-revoke", "settings", *CHANGING):
        answer = client.post(url_of(route, key_id=world.key.pk), form)
        assert answer.status_code == (302 if who == "anonymous" else 404)
    assert organization.api_keys.get().revoked_at is None
    assert Organization.objects.get(slug="acme").name == "Acme"


def test_a_developer_changes_their_own_key_only(world: World) -> None:
    key, bob = world.key, world.people["developer"]
    assert bob
    own, _ = make_key(key.organization, bob)
    client = world.clients["developer"]
    assert client.post(url_of("key-revoke", key_id=key.pk)).status_code == 404
    typed = {"typed": own.name}
    answer = client.post(url_of("key-revoke", key_id=own.pk), typed)
    assert answer.status_code == 302
    own.refresh_from_db()
    assert own.is_revoked
