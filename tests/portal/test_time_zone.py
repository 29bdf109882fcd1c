"""Where an organization's days begin: who sets it, and what goes by it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from billing.budgets import chain_of
from billing.values.errors import AccountLocked
from portal.models import AuditEvent, Organization, User
from portal.tenants import keys, organizations
from portal.tenants.errors import InvalidTimeZone
from proxy.views.key import describe
from tests.support.cast import actor_of, make_call, make_key
from tests.support.ledger.clocks import Clock
from tests.support.portal import pages
from tests.support.portal.limited import make_budget

CHANGE = "organization.change"
URL = "/o/acme/settings/"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The ledger's, ten minutes before a midnight in Kolkata. It comes before the
    organization, whose time never goes back."""
    clock = Clock()
    clock.moment = datetime(2026, 3, 4, 18, 20, tzinfo=UTC)
    monkeypatch.setattr("billing.values.clock.source", clock)
    return clock


def zone_of(organization: Organization) -> str:
    organization.account.refresh_from_db()
    return organization.account.time_zone


def run(*options: str) -> list[dict[str, Any]]:
    out = StringIO()
    call_command("organization", "--json", *options, stdout=out)
    found: list[dict[str, Any]] = json.loads(out.getvalue())
    return found


def test_it_is_written_down_with_what_was_before(
    organization: Organization, alice: User
) -> None:
    actor = actor_of(alice)
    assert organizations.change(organization, time_zone="Asia/Tokyo", actor=actor)
    assert not organizations.change(organization, time_zone="Asia/Tokyo", actor=actor)
    assert zone_of(organization) == "Asia/Tokyo"
    event = AuditEvent.objects.get(action=CHANGE)
    assert event.actor == alice
    assert event.detail == {
        "before": {"time_zone": "UTC"},
        "after": {"time_zone": "Asia/Tokyo"},
    }


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "utc+1"])
def test_an_unknown_one_changes_nothing(
    organization: Organization, alice: User, name: str
) -> None:
    with pytest.raises(InvalidTimeZone):
        organizations.change(
            organization, name="Rocket", time_zone=name, actor=actor_of(alice)
        )
    with pytest.raises(CommandError, match="time zone"):
        run("--organization=acme", f"--time-zone={name}")
    organization.refresh_from_db()
    assert (organization.name, zone_of(organization)) == ("Acme", "UTC")
    assert not AuditEvent.objects.filter(action=CHANGE).exists()


@pytest.mark.once
def test_the_command_shows_and_sets_it(organization: Organization) -> None:
    [row] = run("--organization=acme")
    assert (row["slug"], row["time_zone"]) == ("acme", "UTC")
    [row] = run("--organization=acme", "--time-zone=Europe/Berlin")
    assert row["time_zone"] == zone_of(organization) == "Europe/Berlin"
    assert AuditEvent.objects.get(action=CHANGE).actor_label == "manage.py organization"
    with pytest.raises(CommandError, match="no organization"):
        run("--organization=nobody")


def form(client: Client) -> dict[str, str]:
    """What the settings page's form holds."""
    inputs = [e for e in pages.read(client.get(URL)).elements if e.tag == "input"]
    found = [each.attributes for each in inputs]
    return {str(each["name"]): each.get("value") or "on" for each in found}


@pytest.mark.once
def test_the_settings_page_sets_it(
    client: Client, organization: Organization, alice: User
) -> None:
    client.force_login(alice)
    held = form(client)
    assert held["time_zone"] == "UTC"
    assert '<option value="Asia/Kolkata">' in client.get(URL).content.decode()
    answer = client.post(URL, held | {"time_zone": "Mars/Olympus"})
    assert "no such time zone" in pages.read(answer).text
    assert zone_of(organization) == "UTC"
    client.post(URL, held | {"time_zone": "Asia/Kolkata"})
    assert zone_of(organization) == "Asia/Kolkata"
    # A page left open does not undo it.
    client.post(URL, held | {"name": "Rocket"})
    assert zone_of(organization) == "Asia/Kolkata"


@pytest.mark.once
def test_the_overviews_days_are_those_of_the_zone(
    clock: Clock, client: Client, organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice)
    make_call(key, charged=5)
    clock.advance(minutes=20)
    make_call(key, charged=7)
    client.force_login(alice)
    assert "Today 12 7 days 12" in pages.read(client.get("/o/acme/")).text
    organizations.change(organization, time_zone="Asia/Kolkata", actor=actor_of(alice))
    text = pages.read(client.get("/o/acme/")).text
    assert "Today 7 7 days 12" in text
    assert "by day (Asia/Kolkata)" in text
    assert "2026-03-05 1 7 2026-03-04 1 5" in text


@pytest.mark.once
def test_the_keys_day_is_that_of_the_zone(
    clock: Clock, organization: Organization, alice: User
) -> None:
    key, secret = make_key(organization, alice)
    make_call(key, charged=5)
    clock.advance(minutes=20)
    make_call(key, charged=7)
    organizations.change(organization, time_zone="Asia/Kolkata", actor=actor_of(alice))
    found = describe(keys.verify(secret))
    assert found["organization"]["time_zone"] == "Asia/Kolkata"
    assert found["usage"]["today"]["charged"] == "7"
    assert found["usage"]["last_30_days"]["charged"] == "12"


@pytest.mark.once
def test_a_busy_account_is_said_and_nothing_is_saved(
    client: Client,
    organization: Organization,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def locked(*_: Any) -> None:
        raise AccountLocked("canceling statement due to lock timeout")

    monkeypatch.setattr("billing.budgets.set_time_zone", locked)
    client.force_login(alice)
    typed = form(client) | {"name": "Rocket", "time_zone": "Asia/Kolkata"}
    text = pages.read(client.post(URL, typed, follow=True)).text
    assert "Nothing was saved" in text
    organization.refresh_from_db()
    assert (organization.name, zone_of(organization)) == ("Acme", "UTC")
    with pytest.raises(CommandError, match="locked"):
        run("--organization=acme", "--time-zone=Asia/Kolkata")


def test_to_move_gives_a_budget_no_more_room(
    clock: Clock, organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice)
    make_budget(organization)
    make_call(key, charged=5)
    clock.advance(minutes=20)
    make_call(key, charged=7)
    organizations.change(organization, time_zone="Asia/Kolkata", actor=actor_of(alice))
    [link] = chain_of(key.spender_id)
    assert link.used_micros == 12_000_000
    assert link.resets_at == datetime(2026, 3, 5, 18, 30, tzinfo=UTC)
