"""Second factors: adding, using and removing them; an organization that asks for one.

Costs 3 s.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client, RequestFactory

from portal.models import Organization, Role, User
from portal.tenants import members, security, tenancy
from portal.tenants.errors import NoSecondFactor, NotAllowed, SecondFactorNeeded
from portal.tenants.roles import Permission
from tests.support.cast import OPERATOR, actor_of, make_member
from tests.support.portal import accounts, pages
from tests.support.portal.accounts import add_app, app_code, sent_to, sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.once]
SECOND = "/account/sign-in/second-factor"


def test_an_app_is_added_shown_once_and_asked_for(
    carol: User,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    client = Client()
    sign_in(client, carol.email)
    page = client.get("/account/app").content.decode()
    [secret] = re.findall(r'<code id="secret">(\w+)</code>', page)
    assert "data:image/svg+xml;base64," in page
    wrong = client.post("/account/app", {"code": "000000"})
    assert "not right" in pages.read(wrong).text
    assert secret in wrong.content.decode()  # the picture stays the same
    monkeypatch.setattr(accounts, "SECRET", secret)
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post("/account/app", {"code": app_code()})
    assert answer["location"] == "/account/recovery-codes"
    stored = [row.data for row in Authenticator.objects.filter(user=carol)]
    assert secret not in str(stored)
    shown = pages.read(client.get("/account/recovery-codes")).text
    codes = accounts.recovery_codes(carol)
    assert len(codes) == 10
    assert all(code in shown for code in codes)
    again = pages.read(client.get("/account/recovery-codes")).text
    assert not any(code in again for code in codes)
    assert "10 of 10 codes left" in again
    assert accounts.actions(carol)[-1] == "user.add_app"
    assert "was added" in sent_to(carol.email)[-1]
    other = Client()
    assert sign_in(other, carol.email)["location"] == SECOND
    assert other.get("/account/").status_code == 302
    # A step from now: the code of this one has been used.
    assert other.post(SECOND, {"code": app_code(1)})["location"] == "/"
    assert other.get("/account/").status_code == 200


def test_a_wrong_code_and_what_follows_are_written_down(
    carol: User, organization: Organization
) -> None:
    members.add(organization, carol, Role.VIEWER, actor=OPERATOR)
    add_app(carol)
    client = Client()
    sign_in(client, carol.email)
    client.post(SECOND, {"code": "000000"})
    client.post(SECOND, {"code": app_code()})
    events = organization.audit_events.filter(action__startswith="user.")
    found = list(events.order_by("pk").values_list("action", "target", "detail"))
    assert found == [
        ("user.sign_in_failed", carol.email, {"by": "code"}),
        ("user.sign_in", carol.email, {"by": ["password", "totp"]}),
    ]


def test_removing_asks_again_and_takes_the_recovery_codes_along(carol: User) -> None:
    add_app(carol)
    client = Client()
    client.force_login(carol)
    asked = client.get("/account/app/remove")
    assert asked["location"].startswith("/account/confirm")
    answer = client.post(asked["location"], {"password": "wrong"})
    assert "not your password" in pages.read(answer).text
    form = {"password": "correct horse battery staple", "next": "/account/app/remove"}
    assert client.post("/account/confirm", form)["location"] == "/account/app/remove"
    assert client.post("/account/app/remove")["location"] == "/account/"
    assert not Authenticator.objects.filter(user=carol).exists()
    assert accounts.actions(carol) == ["user.confirm_failed", "user.remove_app"]
    assert client.post("/account/app/remove").status_code == 404  # a double click


def test_an_organization_asks_for_a_second_factor(
    organization: Organization, alice: User, carol: User
) -> None:
    members.add(organization, carol, Role.ADMIN, actor=OPERATOR)
    owner, admin = Client(), Client()
    owner.force_login(alice)
    url = "/o/acme/settings/security/"
    wish = {"requires_mfa": "on", "initial-requires_mfa": "False"}
    refused = pages.read(owner.post(url, wish)).text
    assert NoSecondFactor.message in refused
    add_app(alice)
    assert owner.post(url, wish).status_code == 302
    assert owner.post(url, wish).status_code == 302  # twice is once
    assert "1 of 2 members has a second factor" in pages.read(owner.get(url)).text
    assert organization.audit_events.filter(
        action="organization.require_mfa"
    ).count() == (1)
    sign_in(admin, carol.email)
    for path in ("/o/acme/", "/o/acme/settings/", "/o/acme/keys/"):
        answer = admin.get(path)
        assert answer["location"].startswith("/account/second-factor?next=%2Fo%2Facme")
    page = admin.get(answer["location"])
    assert "One more step" in pages.read(page).text
    add_app(carol)
    assert admin.get(answer["location"])["location"] == "/o/acme/keys/"
    assert admin.get("/o/acme/keys/").status_code == 200
    assert owner.get("/o/acme/").status_code == 200


def test_the_gate_is_in_tenancy_and_only_an_owner_moves_it(
    organization: Organization, alice: User
) -> None:
    admin = make_member(organization, "erin@example.com", Role.ADMIN)
    with pytest.raises(NotAllowed):
        security.require_mfa(organization, True, actor=actor_of(admin))
    assert security.require_mfa(organization, True, actor=OPERATOR)
    request = RequestFactory().get("/")
    request.user = alice
    with pytest.raises(SecondFactorNeeded):
        tenancy.enter(request, "acme", *Permission)
    # A stranger learns nothing of it.
    stranger = Client()
    stranger.force_login(User.objects.create_user("mallory@example.com"))
    assert stranger.get("/o/acme/").status_code == 404
