"""The list of keys: what it says of each, filters, CSV, and several at once."""

from __future__ import annotations

import csv
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.budgets import Subject
from billing.models.budget import Level
from portal.models import ApiKey, AuditEvent, Organization, User
from portal.tenants import key_edits, keys, projects, service_accounts
from tests.support.cast import OPERATOR, make_call, make_key, make_organization
from tests.support.portal import pages
from tests.support.portal.limited import make_budget

pytestmark = pytest.mark.once
URL = "/o/acme/keys/"


@pytest.fixture
def as_alice(client: Client, alice: User, organization: Organization) -> Client:
    client.force_login(alice)
    return client


def names(answer: Any) -> list[str]:
    return [line.row.name for line in answer.context["listing"].lines]


def csv_of(client: Client, query: str = "") -> list[list[str]]:
    answer = client.get(f"{URL}?format=csv{query}")
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    return list(csv.reader(StringIO(content.decode())))


def test_each_says_what_binds_it_and_how_much_is_left(
    as_alice: Client, organization: Organization, alice: User, bob: User
) -> None:
    one, _ = make_key(organization, alice, "one")
    two, _ = make_key(organization, bob, "two")
    make_budget(organization, Subject(Level.ORGANIZATION), 500)
    make_budget(organization, Subject(Level.KEY, spender_id=one.spender_id), 10)
    make_call(one, charged=4)
    one, _ = keys.rotate(one, timedelta(hours=1), actor=OPERATOR)
    make_call(one, charged=2)
    text = pages.read(as_alice.get(URL)).text
    # Both secrets are one key: what either spent counts, and is shown.
    assert f"one {one.hint} two secrets Default" in text
    assert "4 left of 10 · this key, a day" in text
    assert "494 left of 500 · the organization, a day" in text
    head, second, first = csv_of(as_alice)
    found = dict(zip(head, first, strict=True))
    assert found["name"] == "one"
    assert (found["left_credits"], found["spent_14_days"]) == ("4", "6")
    assert dict(zip(head, second, strict=True))["left_credits"] == "494"
    assert two.hint in second
    make_budget(organization, Subject(Level.ORGANIZATION), 10**6)
    text = pages.read(as_alice.get(URL)).text
    assert "994 left the organization's credits, before the organization, a day" in text


def test_many_keys_take_as_many_queries_as_few(
    as_alice: Client,
    organization: Organization,
    alice: User,
) -> None:
    counts = []
    for number in range(2):
        for more in range(1 + 8 * number):
            key, _ = make_key(organization, alice, f"k{number}-{more}")
            make_call(key, charged=1)
        with CaptureQueriesContext(connection) as asked:
            as_alice.get(URL)
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 24


def test_filters_say_which_and_a_foreign_choice_is_missing(
    as_alice: Client, organization: Organization, alice: User, bob: User
) -> None:
    robot = service_accounts.create(organization, "CI", actor=OPERATOR)
    search = projects.create(organization, "Search", actor=OPERATOR)
    made = {name: make_key(organization, alice, name)[0] for name in "abcd"}
    keys.issue(search, "robots", actor=OPERATOR, holder=robot)
    make_key(organization, bob, "bobs", expires_at=timezone.now() - timedelta(days=1))
    key_edits.disable(made["a"], actor=OPERATOR)
    keys.revoke(made["b"], actor=OPERATOR)
    make_call(made["c"], model="openai/o3")

    def found(query: str) -> set[str]:
        return set(names(as_alice.get(f"{URL}?{query}")))

    assert found("state=active") == {"c", "d", "robots"}
    assert found("state=disabled") == {"a"}
    assert found("state=expired") == {"bobs"}
    assert found("state=revoked") == {"b"}
    assert found("state=unused") == {"d", "robots"}
    assert found(f"project={search.pk}") == {"robots"}
    assert found(f"holder={robot.unit_id}") == {"robots"}
    assert found("model=openai/o3") == {"c"}
    assert found("q=ROB") == {"robots"}
    assert found(f"q={made['d'].hint[:16]}") == {"d"}
    assert found("q=%00") == {"a", "b", "c", "d", "robots", "bobs"}
    assert names(as_alice.get(f"{URL}?sort=name"))[:2] == ["a", "b"]
    assert [row[0] for row in csv_of(as_alice, "&state=active&sort=name")] == [
        *("name", "c", "d", "robots"),
    ]
    strange = make_organization("Strange", bob)
    for query in (f"project={strange.projects.get().pk}", "state=lost", "holder=0"):
        assert as_alice.get(f"{URL}?{query}").status_code == 404


def test_several_are_disabled_enabled_and_revoked_after_a_look_at_their_names(
    as_alice: Client, organization: Organization, alice: User
) -> None:
    chosen = [make_key(organization, alice, name)[0].pk for name in ("one", "two")]
    make_key(organization, alice, "three")
    form: dict[str, Any] = {"act": "disable", "key": chosen}
    asked = pages.read(as_alice.post(f"{URL}several", form)).text
    assert "Disable 2 keys?" in asked
    assert "three" not in asked
    assert not ApiKey.objects.exclude(disabled_at=None).exists()
    for _ in range(2):  # a double click
        as_alice.post(f"{URL}several", {**form, "confirmed": "yes"})
    assert ApiKey.objects.exclude(disabled_at=None).count() == 2
    assert AuditEvent.objects.filter(action="api_key.disable").count() == 2
    as_alice.post(f"{URL}several", {**form, "act": "enable", "confirmed": "yes"})
    assert not ApiKey.objects.exclude(disabled_at=None).exists()
    as_alice.post(f"{URL}several", {**form, "act": "revoke", "confirmed": "yes"})
    assert ApiKey.objects.filter(revoked_at=None).get().name == "three"
    none = as_alice.post(f"{URL}several", {"act": "disable"}, follow=True)
    assert "Tick the keys" in pages.read(none).text


def test_who_ticks_what_they_may_not_change_changes_nothing(
    client: Client, organization: Organization, alice: User, bob: User
) -> None:
    mine, _ = make_key(organization, bob, "mine")
    hers, _ = make_key(organization, alice, "hers")
    client.force_login(bob)
    for ticked in ([mine.pk, hers.pk], [mine.pk, "nonsense"]):
        form = {"act": "revoke", "confirmed": "yes", "key": ticked}
        assert client.post(f"{URL}several", form).status_code == 404
    form = {"act": "steal", "confirmed": "yes", "key": [mine.pk]}
    assert client.post(f"{URL}several", form).status_code == 404
    assert not ApiKey.objects.exclude(revoked_at=None).exists()
