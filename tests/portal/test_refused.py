"""What was refused, and why: counted, the latest in full, bounded, and only what one
may see of it."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.module_loading import import_string

from billing.values.ids import new_id
from portal.models import (
    ApiKey,
    Membership,
    Organization,
    RefusedCount,
    RefusedRequest,
    Role,
    User,
)
from portal.tenants import heirs, keys, refused
from portal.tenants.refused import Told
from proxy.http import limit_refusals, refusals
from proxy.http.errors import Refusal
from tests.support.cast import actor_of, make_key, make_member, make_organization
from tests.support.portal import pages

URL = "/o/acme/activity/"
SAYS = 'the key "server" may spend 5 credits'


@pytest.fixture
def key(organization: Organization, alice: User) -> ApiKey:
    return make_key(organization, alice, "server")[0]


def told(key: ApiKey, code: str = "budget_exceeded", *, ago: float = 0) -> Told:
    at = timezone.now() - timedelta(seconds=ago)
    return Told(
        UUID(new_id()), key.spender_id, at, code, 402, SAYS, "chat", "openai/gpt-4o"
    )


def note(*found: Told) -> list[str]:
    """Each is counted, and one of the latest; their request ids."""
    counts: dict[tuple[int, datetime, str], int] = {}
    for each in found:
        place = each.spender_id, refused.quarter_of(each.at), each.code
        counts[place] = counts.get(place, 0) + 1
    refused.note(counts, found)
    return [f"req_{each.id.hex}" for each in found]


def look(client: Client, user: User, url: str) -> pages.Page:
    client.force_login(user)
    return pages.read(client.get(url))


def counted(organization: Organization) -> dict[str, int]:
    rows = RefusedCount.objects.filter(organization=organization)
    sums: dict[str, int] = {}
    for row in rows:
        sums[row.code] = sums.get(row.code, 0) + row.requests
    return sums


def test_they_are_added_up_by_quarter_key_and_code(
    organization: Organization, alice: User, key: ApiKey
) -> None:
    note(told(key), told(key), told(key, "key_revoked"))
    note(told(key))
    before = key.spender_id
    rotated, _ = keys.rotate(key, timedelta(hours=1), actor=actor_of(alice))
    assert rotated.spender_id != before
    note(told(rotated))
    assert counted(organization) == {"budget_exceeded": 4, "key_revoked": 1}
    # One key, whichever of its secrets was used.
    assert {row.spender_id for row in RefusedCount.objects.all()} == {before}


def test_nobodys_key_is_not_counted(key: ApiKey) -> None:
    stranger = told(key)._replace(spender_id=10**9)
    note(stranger)
    assert not RefusedCount.objects.exists()
    assert not RefusedRequest.objects.exists()


def test_a_flood_of_kinds_fills_so_many_rows_and_loses_no_refusal(
    organization: Organization, key: ApiKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused, "ROWS_MAX", 3)
    quarter = refused.quarter_of(timezone.now())
    for round_ in range(2):
        counts = {(key.spender_id, quarter, f"code_{n}"): 1 for n in range(5 + round_)}
        refused.note(counts, [])
    sums = counted(organization)
    assert sum(sums.values()) == 11
    assert sums[refused.REST] == 5  # 2, and 3 of the second time
    assert RefusedCount.objects.count() == 4


def test_of_each_key_the_latest_are_kept(
    organization: Organization, alice: User, key: ApiKey
) -> None:
    other, _ = make_key(organization, alice, "other")
    (kept,) = note(told(other, ago=900))
    ids = note(*(told(key, ago=60 - n) for n in range(refused.LATEST + 5)))
    found = {row.request_id for row in RefusedRequest.objects.all()}
    assert found == {kept, *ids[5:]}
    refused.note({}, [told(key)])
    assert RefusedRequest.objects.count() == refused.LATEST + 1


def test_they_are_deleted_when_they_are_old(key: ApiKey) -> None:
    days = refused.KEPT.days
    note(told(key, ago=(days + 1) * 86_400), told(key, ago=(days - 1) * 86_400))
    assert refused.forget_old() == 2
    assert (RefusedCount.objects.count(), RefusedRequest.objects.count()) == (1, 1)


@pytest.mark.once
def test_the_overview_says_what_was_refused_and_leads_to_why(
    client: Client, alice: User, organization: Organization, key: ApiKey
) -> None:
    note(told(key), told(key), told(key, "key_revoked"))
    page = look(client, alice, "/o/acme/")
    text = "3 calls were refused in the last 24 hours: 2 budget_exceeded, 1 key_revoked"
    assert text in page.text
    assert f"{URL}?state=refused" in page.links()


@pytest.mark.once
def test_activity_says_why_how_often_and_what_helps(
    client: Client, alice: User, organization: Organization, key: ApiKey
) -> None:
    ids = note(told(key), told(key, "key_revoked"))
    page = look(client, alice, f"{URL}?state=refused&model=any&flag=x")
    rows = {e.attributes.get("data-row") for e in page.elements} - {None}
    assert rows == set(ids)
    assert "budget_exceeded 1 A limit was used up." in page.text
    assert {"/o/acme/budgets/", "/o/acme/keys/"} <= set(page.links())
    answer = client.get(f"{URL}?state=refused&format=csv")
    found = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert {row["request_id"] for row in found} == set(ids)
    assert {row["key"] for row in found} == {"server"}
    assert client.get(f"{URL}?state=refused&range=today").status_code == 200


@pytest.mark.once
def test_a_refused_request_has_a_page_found_by_its_id(
    client: Client, alice: User, organization: Organization, key: ApiKey
) -> None:
    (request_id,) = note(told(key))
    page = look(client, alice, f"{URL}{request_id}/")
    assert SAYS in page.text
    assert "It was refused before it began" in page.text
    assert "/o/acme/budgets/" in page.links()
    url = f"{URL}{request_id}/"
    assert url in look(client, alice, f"{URL}?id={request_id}").links()
    assert url in look(client, alice, f"/o/acme/search?q={request_id}").links()


@pytest.mark.once
def test_others_see_as_much_of_it_as_of_a_call(
    client: Client, alice: User, bob: User, organization: Organization, key: ApiKey
) -> None:
    """A developer their own, a viewer no names, another organization nothing."""
    stranger = make_member(organization, "viewer@acme.example", Role.VIEWER)
    make_organization("Globex", stranger)
    (theirs,) = note(told(key))
    own, _ = make_key(organization, bob, "bobs")
    (mine,) = note(told(own))
    page = look(client, bob, f"{URL}?state=refused")
    assert {e.attributes.get("data-row") for e in page.elements} - {None} == {mine}
    assert "Refused 1" in page.text
    assert client.get(f"{URL}{theirs}/").status_code == 404
    found = look(client, bob, f"/o/acme/search?q={theirs}")
    assert f"{URL}{theirs}/" not in found.links()
    viewed = look(client, stranger, f"{URL}{theirs}/")
    assert "server" not in viewed.text
    assert "A limit was used up." in viewed.text
    assert "server" not in look(client, stranger, f"{URL}?state=refused").text
    assert client.get(f"/o/globex/activity/{theirs}/").status_code == 404
    abroad = look(client, stranger, "/o/globex/activity/?state=refused")
    assert "Refused 0" in abroad.text
    assert theirs not in " ".join(abroad.links())
    named = client.get(f"{URL}?state=refused&key={key.spender_id}")
    assert named.status_code == 404


@pytest.mark.once
def test_who_gets_a_key_does_not_see_what_it_was_refused_before(
    client: Client, alice: User, bob: User, organization: Organization, key: ApiKey
) -> None:
    (before,) = note(told(key))
    heir = Membership.objects.get(organization=organization, user=bob)
    heirs.hand_over(key, heir, actor=actor_of(alice))
    (after,) = note(told(key))
    page = look(client, bob, f"{URL}?state=refused")
    assert {e.attributes.get("data-row") for e in page.elements} - {None} == {after}
    assert client.get(f"{URL}{before}/").status_code == 404


@pytest.mark.once
def test_every_code_has_words(settings: Any) -> None:
    words = import_string(settings.REFUSAL_WORDS)
    tables = (vars(refusals), refusals.KEYS, vars(limit_refusals))
    rows = [r for t in tables for r in t.values() if isinstance(r, Refusal)]
    assert len(rows) > 40
    for row in rows:
        assert words(row.code).meaning, row.code
        assert len(row.code) <= refused.CODE_MAX
