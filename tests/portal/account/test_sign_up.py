"""Signing up: who may, what a code proves, and that no address is given away.

Costs 3 s.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.utils import timezone

from billing.reports.balance import balance_of
from billing.values.orders import CREDIT
from portal.models import Organization, Role, User
from portal.signing_in import sign_up
from portal.tenants import invitations
from tests.support.cast import OPERATOR, PASSWORD, make_organization, make_user
from tests.support.portal import pages
from tests.support.portal.accounts import (
    CountingHasher,
    actions,
    code_of,
    sent_to,
    sign_in,
)

pytestmark = [pytest.mark.django_db, pytest.mark.once]
DAVE = "dave@example.com"


@pytest.fixture
def is_open(settings: Any) -> None:
    settings.SIGNUP = "open"
    settings.SIGNUP_CREDITS = 25


def send(client: Client, email: str = DAVE, **more: Any) -> Any:
    form = {"email": email, "organization": "Dave's", "password1": PASSWORD} | more
    return client.post("/account/sign-up", form)


def enter(client: Client, code: str) -> Any:
    return client.post("/account/code", {"action": "verify", "code": code})


def test_a_newcomer_gets_an_organization_with_credits_once(
    client: Client, is_open: None
) -> None:
    assert send(client, " D\uff41VE@Example.com ")["location"] == "/account/code"
    assert not Organization.objects.exists()  # nothing is made for who proves nothing
    assert enter(client, code_of(DAVE))["location"] == "/"
    user = User.objects.get()
    assert user.email == DAVE
    row = EmailAddress.objects.get()
    assert (row.email, row.verified, row.primary) == (DAVE, True, True)
    organization = Organization.objects.get()
    assert organization.name == "Dave's"
    assert organization.memberships.get(user=user).role == Role.OWNER
    balance = balance_of(organization.account_id)
    assert balance.available_micros == 25 * CREDIT
    assert client.get("/")["location"] == f"/o/{organization.slug}/"
    assert actions() == ["user.sign_up", "user.verify_email", "user.sign_in"]
    # Again, by whatever way: not another one.
    assert enter(client, "AAAA-BBBB").status_code == 302
    assert client.post("/account/organization", {"organization": "More"})[
        "location"
    ] == ("/")
    assert sign_up.found(user, "More", ip_address=None) is None
    assert Organization.objects.count() == 1


def test_a_known_address_gets_the_same_page_the_same_work_and_another_mail(
    carol: User, is_open: None
) -> None:
    CountingHasher.hashed.clear()
    found = []
    for email in (DAVE, carol.email):
        client = Client()
        answer = send(client, email)
        page = pages.read(client.get(answer["location"]))
        hashed = CountingHasher.hashed.copy()
        CountingHasher.hashed.clear()
        found.append(
            (
                answer["location"],
                page.text.replace(email, "x"),
                hashed,
                len(sent_to(email)),
            )
        )
    assert found[0] == found[1]
    assert found[0][2:] == ([PASSWORD], 1)
    assert "have an account" in sent_to(carol.email)[0]
    assert carol.check_password(PASSWORD)
    assert User.objects.filter(email=carol.email).count() == 1


def test_three_wrong_codes_end_it(client: Client, is_open: None) -> None:
    send(client)
    right = code_of(DAVE)
    for _ in range(2):
        assert "not right" in pages.read(enter(client, "AAAA-AAAA")).text
    assert enter(client, "AAAA-AAAA")["location"] == "/account/sign-in"
    assert enter(client, right)["location"] == "/account/sign-in"
    assert not EmailAddress.objects.filter(verified=True).exists()


def test_an_unproved_address_opens_nothing_and_is_given_up(
    client: Client, is_open: None
) -> None:
    send(client)
    other = Client()
    assert sign_in(other, DAVE)["location"] == "/account/code"
    assert other.get("/account/")["location"].startswith("/account/sign-in")
    assert sign_up.purge_unproved() == 0
    User.objects.update(date_joined=timezone.now() - timedelta(days=2))
    assert sign_up.purge_unproved() >= 1
    assert not User.objects.exists()


@pytest.mark.parametrize("mode", ["closed", "invitation"])
def test_nobody_signs_up_uninvited(client: Client, settings: Any, mode: str) -> None:
    settings.SIGNUP = mode
    assert "without an invitation" in pages.read(send(client)).text
    assert not User.objects.exists()
    assert "Sign up" not in pages.read(client.get("/account/sign-in")).text
    assert mail.outbox == []


def test_an_invitation_leads_through_signing_up(client: Client) -> None:
    organization = make_organization("Acme", make_user("alice@example.com"))
    _, token = invitations.invite(organization, DAVE, Role.DEVELOPER, actor=OPERATOR)
    link = f"/invitations/{token}/"
    assert "/account/sign-up" in client.get(link).content.decode()
    form = {"email": "other@example.com", "password1": PASSWORD, "next": link}
    assert client.post("/account/sign-up", form)["location"] == "/account/code"
    assert enter(client, code_of(DAVE))["location"] == link
    assert client.post(link).status_code == 302
    assert organization.memberships.get(user__email=DAVE).role == Role.DEVELOPER
    assert Organization.objects.count() == 1


def test_bad_input_keeps_its_values_and_says_what_is_wrong(
    client: Client, is_open: None
) -> None:
    answer = send(client, "nobody", organization="a\u202eb", password1="password1234")
    page = answer.content.decode()
    assert 'value="nobody"' in page
    text = pages.read(answer).text
    assert "valid email address" in text
    assert "invisible characters" in text
    assert PASSWORD not in page
    short = send(client, password1="short")
    assert "too short" in pages.read(short).text
    assert not User.objects.exists()


def test_who_lost_the_name_on_the_way_is_asked_for_it(
    client: Client, carol: User, is_open: None
) -> None:
    client.force_login(carol)
    assert client.get("/")["location"] == "/account/organization"
    page = client.get("/account/organization").content.decode()
    assert 'value="carol"' in page
    for _ in range(2):  # a double click
        client.post("/account/organization", {"organization": "Carol's"})
    assert [o.name for o in Organization.objects.all()] == ["Carol's"]


def test_signing_up_is_slowed_down_by_network(client: Client, is_open: None) -> None:
    for number in range(20):
        assert send(client, f"{number}", REMOTE_ADDR="x").status_code == 200
    assert send(client).status_code == 429
