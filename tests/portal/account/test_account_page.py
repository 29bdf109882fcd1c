"""The account page: name, address, sessions, organizations to leave. Costs 3 s."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from portal.models import ApiKey, Organization, Role, Session, User
from portal.tenants import members
from tests.support.cast import OPERATOR, PASSWORD, make_key, make_user
from tests.support.portal import accounts, pages
from tests.support.portal.accounts import code_of, sent_to, sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.once]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def test_sessions_are_listed_and_ended(carol: User) -> None:
    here, there, third = Client(), Client(), Client()
    sign_in(here, carol.email)
    sign_in(there, carol.email, HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="203.0.113.9")
    sign_in(third, carol.email, HTTP_USER_AGENT="<script>")
    answer = here.get("/account/")
    text = pages.read(answer).text
    assert "Firefox on Linux 203.0.113.9" in text
    assert "This browser" in text
    assert str(there.session.session_key) not in answer.content.decode()
    [name] = [
        row["name"]
        for row in answer.context["sessions"]
        if row["client"] == "Firefox on Linux"
    ]
    url = "/account/sessions/end"
    mallory = Client()
    mallory.force_login(make_user("mallory@example.com"))
    mallory.post(url, {"session": name})
    assert there.get("/account/").status_code == 200  # only one's own
    here.post(url, {"session": name})
    assert there.get("/account/").status_code == 302
    here.post(url, {"session": name})  # twice
    here.post(url)
    assert third.get("/account/").status_code == 302
    assert here.get("/account/").status_code == 200
    ended = [a for a in accounts.actions(carol) if "session" in a]
    assert ended == ["user.end_session", "user.end_sessions"]


def test_signing_in_makes_a_session_of_another_key(client: Client, carol: User) -> None:
    """Whoever fixed the key of the one before has nothing."""
    client.get("/account/sign-in?next=/account/")
    session = client.session
    session["planted"] = "x"
    session.save()
    before = client.session.session_key
    sign_in(client, carol.email)
    after = client.session.session_key
    assert before != after
    assert not Session.objects.filter(session_key=before).exists()
    assert Session.objects.get(session_key=after).user_id == carol.pk


def test_another_address_counts_once_it_is_proved(carol: User) -> None:
    client = Client()
    sign_in(client, carol.email)
    answer = client.post("/account/email", {"email": "C\uff41rol@New.example"})
    assert answer["location"] == "/account/code"
    carol.refresh_from_db()
    assert carol.email == "carol@example.com"
    answer = client.post(
        "/account/code", {"action": "verify", "code": code_of("carol@new.example")}
    )
    assert answer.status_code == 302
    carol.refresh_from_db()
    assert carol.email == "carol@new.example"
    rows = EmailAddress.objects.filter(user=carol)
    assert list(rows.values_list("email", "verified")) == [("carol@new.example", True)]
    assert "user.change_email" in accounts.actions(carol)
    assert "another e-mail address" in sent_to("carol@example.com")[-1]
    assert sign_in(Client(), "carol@example.com").status_code == 200
    assert sign_in(Client(), "carol@new.example").status_code == 302


def test_an_address_of_somebody_else_is_not_given_away(carol: User) -> None:
    make_user("dave@example.com")
    found = []
    for email in ("dave@example.com", "new@example.com"):
        client = Client()
        sign_in(client, carol.email)
        answer = client.post("/account/email", {"email": email})
        page = pages.read(client.get(answer["location"])).text
        found.append((answer["location"], page.replace(email, "x")))
    assert found[0] == found[1]


def test_a_password_is_changed_by_its_owner_only(carol: User) -> None:
    client = Client()
    sign_in(client, carol.email)
    url = "/account/password"
    wrong = client.post(url, {"oldpassword": "x", "password1": "another passphrase"})
    assert "not your password" in pages.read(wrong).text
    weak = client.post(url, {"oldpassword": PASSWORD, "password1": "short"})
    assert "too short" in pages.read(weak).text
    for _ in range(9):
        client.post(url, {"oldpassword": "x", "password1": "another passphrase"})
    over = client.post(
        url, {"oldpassword": PASSWORD, "password1": "another passphrase"}
    )
    assert over.status_code == 429
    carol.refresh_from_db()
    assert carol.check_password(PASSWORD)
    assert "user.confirm_failed" in accounts.actions(carol)


def test_leaving_asks_first_and_revokes_the_keys(
    organization: Organization, alice: User, carol: User
) -> None:
    members.add(organization, carol, Role.DEVELOPER, actor=OPERATOR)
    key, _ = make_key(organization, carol)
    client, owner = Client(), Client()
    client.force_login(carol)
    page = client.get("/account/leave/acme")
    assert "the 1 API key that you hold there is revoked" in pages.read(page).text
    assert client.post("/account/leave/acme", follow=True).status_code == 200
    assert client.post("/account/leave/acme").status_code == 404
    assert ApiKey.objects.get(pk=key.pk).revoked_at
    owner.force_login(alice)
    refused = owner.post("/account/leave/acme", follow=True)
    assert "needs at least one owner" in pages.read(refused).text
    assert organization.memberships.filter(user=alice).exists()


def test_the_name_is_kept_clean(carol: User) -> None:
    client = Client()
    client.force_login(carol)
    for name, saved in (("Carol C.", True), ("a\0b", False), ("x" * 10_000, False)):
        answer = client.post("/account/", {"name": name})
        assert (answer.status_code == 302) is saved, name
    carol.refresh_from_db()
    assert carol.name == "Carol C."
