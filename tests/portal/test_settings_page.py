"""The organization's settings: saved once, told truly, and by those who may."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client, override_settings
from django.urls import reverse

from portal.models import AuditEvent, Organization, Role, User
from portal.runtime import timetable
from proxy.process import caches
from tests.support.cast import make_member
from tests.support.portal import pages

pytestmark = pytest.mark.once

URL = "/o/acme/settings/"
CHANGE = "organization.change"


@pytest.fixture
def as_alice(client: Client, alice: User, organization: Organization) -> Client:
    client.force_login(alice)
    return client


def form(page: Any, **typed: str) -> dict[str, str]:
    """What a browser sends: what the page's form holds, and what was typed; "off" is
    for a switch."""
    held = {}
    for element in pages.read(page).elements:
        given = element.attributes
        is_switch = given.get("type") == "checkbox"
        is_sent = "checked" in given or not is_switch
        if element.tag == "input" and is_sent and (name := given.get("name")):
            held[name] = given.get("value") or ("on" if is_switch else "")
    return {name: value for name, value in (held | typed).items() if value != "off"}


def save(client: Client, **typed: str) -> Any:
    """Open the page, type, send, follow."""
    return client.post(URL, form(client.get(URL), **typed), follow=True)


def saved() -> tuple[str, bool]:
    """The name of acme, and whether its replies are kept."""
    acme = Organization.objects.get(slug="acme")
    return acme.name, acme.stores_replies


def test_the_page_shows_what_is_set(as_alice: Client) -> None:
    answer = as_alice.get(URL)
    assert reverse("settings", args=["acme"]) == URL
    held = form(answer)
    assert (held["name"], held["stores_replies"]) == ("Acme", "on")
    assert "slug" not in held
    assert "Slug acme" in pages.read(answer).text


@override_settings(REPLAY_SECONDS=300, REPLAY_BYTES_MAX=2048)
def test_the_page_tells_the_truth(as_alice: Client) -> None:
    text = pages.read(as_alice.get(URL)).text
    assert "Encrypted, for 5 minutes." in text
    assert "sent again within 5 minutes is still never charged twice" in text
    assert "nor anything over 2.0 KB" in text  # `text` has plain spaces only
    assert "The gateway knows of a change within a minute." in text
    assert caches.KEY_SECONDS <= 60
    assert "is deleted within another minute" in text
    assert timetable.PURGE_SECONDS <= 60


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_those_who_may_switch_it_off_and_on(
    client: Client, organization: Organization, role: Role
) -> None:
    member = make_member(organization, "carol@example.com", role)
    client.force_login(member)
    text = pages.read(save(client, stores_replies="off")).text
    assert "The settings are saved." in text
    assert saved() == ("Acme", False)
    assert "stores_replies" not in form(client.get(URL))
    save(client, stores_replies="on")
    assert saved() == ("Acme", True)

    off, on = AuditEvent.objects.filter(action=CHANGE).order_by("pk")
    assert (off.actor, off.organization, off.target) == (member, organization, "acme")
    assert off.ip_address == "127.0.0.1"
    assert off.detail == {
        "before": {"stores_replies": True},
        "after": {"stores_replies": False},
    }
    assert on.detail["after"] == {"stores_replies": True}


def test_a_new_name_is_everywhere_and_the_address_stays(as_alice: Client) -> None:
    answer = save(as_alice, name=" Rocket GmbH ", slug="rocket", account="1")
    assert answer.redirect_chain == [(URL, 302)]
    assert "<title>Organization · Rocket GmbH" in answer.content.decode()
    assert saved() == ("Rocket GmbH", True)


def test_what_was_not_changed_is_not_written_down(as_alice: Client) -> None:
    answer = save(as_alice, name="Acme ")
    assert "Nothing was changed." in pages.read(answer).text
    assert not AuditEvent.objects.filter(action=CHANGE).exists()


@pytest.mark.parametrize("name", ["", "  ", "a\u202eb", "x" * 101])
def test_a_wrong_name_comes_back_with_what_was_typed(
    as_alice: Client, name: str
) -> None:
    answer = save(as_alice, name=name, stores_replies="off")
    assert answer.redirect_chain == []
    held = form(answer)
    assert held["name"] == name
    assert "stores_replies" not in held
    assert 'class="errorlist" id="id_name_error"' in answer.content.decode()
    assert saved() == ("Acme", True)
    assert not AuditEvent.objects.filter(action=CHANGE).exists()
    # The form that came back can be sent once it is right.
    as_alice.post(URL, form(answer, name="Rocket"))
    assert saved() == ("Rocket", False)


def test_a_page_left_open_does_not_undo_what_somebody_else_changed(
    as_alice: Client,
) -> None:
    left_open = as_alice.get(URL)
    save(as_alice, stores_replies="off")
    as_alice.post(URL, form(left_open, name="Rocket"))
    assert saved() == ("Rocket", False)


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.BILLING, Role.VIEWER])
def test_the_others_have_no_link_and_no_way(
    client: Client, alice: User, organization: Organization, role: Role
) -> None:
    client.force_login(alice)
    filled = form(client.get(URL), name="Mine")
    assert URL in pages.read(client.get("/o/acme/")).links()
    client.force_login(make_member(organization, "carol@example.com", role))
    assert client.post(URL, filled).status_code == 404
    assert URL not in pages.read(client.get("/o/acme/")).links()
    assert saved() == ("Acme", True)
