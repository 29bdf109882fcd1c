"""A forgotten password: a code by mail, and nothing told to strangers. Costs 2 s."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from portal.models import Session, User
from tests.support.cast import PASSWORD
from tests.support.portal import pages
from tests.support.portal.accounts import (
    CountingHasher,
    actions,
    add_app,
    code_of,
    sent_to,
    sign_in,
)

pytestmark = [pytest.mark.django_db, pytest.mark.once]
NEW = "a brand new passphrase"
URL = "/account/password/reset"


def ask(client: Client, email: str) -> Any:
    return client.post(URL, {"email": email})


def test_the_code_sets_another_password_and_ends_all_sessions(carol: User) -> None:
    here, there = Client(), Client()
    there.force_login(carol)
    assert ask(here, " CAROL@example.com ")["location"] == f"{URL}/code"
    answer = here.post(f"{URL}/code", {"code": code_of(carol.email)})
    assert answer["location"] == f"{URL}/new"
    assert here.post(f"{URL}/new", {"password1": NEW})["location"] == "/"
    carol.refresh_from_db()
    assert carol.check_password(NEW)
    assert there.get("/account/").status_code == 302
    assert Session.objects.filter(user_id=carol.pk).count() == 1
    assert actions() == ["user.reset_password", "user.sign_in"]
    assert "was reset" in sent_to(carol.email)[-1]


def test_a_reset_does_not_go_round_the_second_factor(carol: User) -> None:
    add_app(carol)
    client = Client()
    ask(client, carol.email)
    client.post(f"{URL}/code", {"code": code_of(carol.email)})
    answer = client.post(f"{URL}/new", {"password1": NEW})
    assert answer["location"] == "/account/sign-in/second-factor"
    assert client.get("/account/")["location"].startswith("/account/sign-in")


def test_an_unknown_address_gets_the_same_page_and_a_mail(carol: User) -> None:
    CountingHasher.hashed.clear()
    found = []
    for email in (carol.email, "nobody@example.com"):
        client = Client()
        answer = ask(client, email)
        page = pages.read(client.get(answer["location"]))
        wrong = client.post(answer["location"], {"code": "AAAA-AAAA"})
        texts = [t.text.replace(email, "x") for t in (page, pages.read(wrong))]
        found.append((answer["location"], texts, len(sent_to(email))))
    assert found[0] == found[1]
    assert CountingHasher.hashed == []


def test_no_step_can_be_left_out(carol: User) -> None:
    client = Client()
    assert client.post(f"{URL}/new", {"password1": NEW})["location"] == URL
    ask(client, carol.email)
    assert client.post(f"{URL}/new", {"password1": NEW})["location"] == f"{URL}/code"
    carol.refresh_from_db()
    assert carol.check_password(PASSWORD)


def test_mails_to_one_address_are_few_and_the_page_says_the_same(carol: User) -> None:
    for _ in range(7):
        assert ask(Client(), carol.email)["location"] == f"{URL}/code"
    assert len(sent_to(carol.email)) == 5
    # Its owner, on a browser that has signed in before, still gets one.
    known = Client()
    sign_in(known, carol.email)
    known.post("/account/sign-out")
    ask(known, carol.email)
    assert len(sent_to(carol.email)) == 6
