"""The page of a key: what it says, and what is changed there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing.budgets import Subject, chain_of
from billing.models.budget import Level
from billing.values.orders import CREDIT
from portal.models import ApiKey, KeyRights, KeySecret, Organization, Rules, User
from portal.tenants import key_format, keys, sightings
from portal.tenants.errors import DisabledKey, RevokedKey
from portal.tenants.sightings import Seen
from tests.support.cast import OPERATOR, make_call, make_key
from tests.support.portal import pages
from tests.support.portal.limited import make_budget

pytestmark = pytest.mark.once
LIMITS = {
    "per_day": "2.5",
    "per_week": "",
    "per_month": "100",
    "per_total": "",
    "models": "openai/*\nacme/x",
    "networks": "",
    "requests_per_minute": "60",
    "tokens_per_minute": "",
    "calls_at_once": "",
}


@pytest.fixture
def as_alice(client: Client, alice: User, organization: Organization) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def made(organization: Organization, bob: User) -> tuple[ApiKey, str]:
    """A developer's, which an owner looks at."""
    return make_key(organization, bob)


def url(key: ApiKey, rest: str = "") -> str:
    return f"/o/acme/keys/{key.pk}/{rest}"


def text_of(client: Client, key: ApiKey, rest: str = "") -> str:
    return pages.read(client.get(url(key, rest))).text


def test_it_says_the_whole_chain_the_usage_and_what_was_changed(
    as_alice: Client, organization: Organization, made: tuple[ApiKey, str]
) -> None:
    key, _ = made
    make_budget(organization, Subject(Level.ORGANIZATION), 500)
    make_budget(organization, Subject(Level.KEY, spender_id=key.spender_id), 10)
    make_call(key, charged=4, model="openai/o3")
    key, _ = keys.rotate(key, timedelta(hours=2), actor=OPERATOR)
    make_call(key, charged=2)
    text = text_of(as_alice, key)
    assert "this key, a day 10 6 0 4" in text
    assert text.index("this key, a day") < text.index("the organization, a day")
    assert "6 credits in 2 requests, by all secrets that it had" in text
    assert "openai/o3 1 12 4" in text
    assert "api_key.rotate" in text
    assert "Secrets that work now" in text
    assert "Refuse it now" in text


def test_a_name_and_an_end_are_changed_and_nonsense_comes_back(
    as_alice: Client, made: tuple[ApiKey, str]
) -> None:
    key, secret = made

    def edit(form: dict[str, Any]) -> Any:
        return as_alice.post(url(key, "edit"), form)

    assert edit({"name": "build server"}).status_code == 302
    assert keys.verify(secret).label == "build server"
    wrong = edit({"name": "x" * 10_000})
    assert wrong.status_code == 200
    assert "errorlist" in wrong.content.decode()
    day = timezone.localdate() + timedelta(days=3)
    form = {"expiry-lifetime": "date", "expiry-expires_on": day.isoformat()}
    assert edit(form).status_code == 302
    closes_at = keys.verify(secret).closes_at
    assert closes_at is not None
    assert closes_at.date() == day + timedelta(days=1)
    assert f'value="{day.isoformat()}"' in as_alice.get(url(key)).content.decode()
    past = edit({"expiry-lifetime": "date", "expiry-expires_on": "2020-02-30"})
    assert "errorlist" in past.content.decode()
    assert edit({"expiry-lifetime": ""}).status_code == 302
    assert keys.verify(secret).closes_at is None


def test_it_is_disabled_and_enabled_however_often_the_button_is_pressed(
    as_alice: Client, made: tuple[ApiKey, str]
) -> None:
    key, secret = made
    for _ in range(2):
        answer = as_alice.post(url(key, "state"), {"act": "disable"}, follow=True)
    assert "is disabled: its next call is refused" in pages.read(answer).text
    with pytest.raises(DisabledKey):
        keys.verify(secret)
    as_alice.post(url(key, "state"), {"act": "enable"})
    assert keys.verify(secret).key_id == key.pk
    assert as_alice.post(url(key, "state"), {"act": "x"}).status_code == 404


def test_an_overlap_is_ended_on_its_page(
    as_alice: Client, organization: Organization, made: tuple[ApiKey, str]
) -> None:
    key, old = made
    key, new = keys.rotate(key, timedelta(hours=2), actor=OPERATOR)
    newest, replaced = keys.secrets_in_force(key)
    assert as_alice.post(url(key, f"secrets/{newest.pk}/end")).status_code == 404
    other, _ = make_key(organization, key.created_by, "other")  # type: ignore[arg-type]
    foreign = KeySecret.objects.get(key=other)
    assert as_alice.post(url(key, f"secrets/{foreign.pk}/end")).status_code == 404
    for _ in range(2):
        as_alice.post(url(key, f"secrets/{replaced.pk}/end"))
    with pytest.raises(RevokedKey, match="rotated"):
        keys.verify(old)
    keys.verify(new)


def test_limits_are_set_changed_and_lifted_all_or_nothing(
    as_alice: Client, made: tuple[ApiKey, str]
) -> None:
    key, secret = made
    page = url(key, "limits")
    assert as_alice.post(page, {**LIMITS, "sees_balance": "on"}).status_code == 302
    assert {link.window: link.limit_micros for link in chain_of(key.spender_id)} == {
        "day": 5 * CREDIT // 2,
        "month": 100 * CREDIT,
    }
    [level] = keys.verify(secret).rules
    assert (level.models, level.requests_per_minute) == (("openai/*", "acme/x"), 60)
    assert KeyRights.objects.get(key=key).sees_balance
    shown = as_alice.get(page).content.decode()
    assert 'value="2.5"' in shown
    assert "openai/*" in shown
    wrong = as_alice.post(page, {**LIMITS, "per_day": "1", "networks": "here"})
    assert "no address and no network" in pages.read(wrong).text
    assert chain_of(key.spender_id)[0].limit_micros == 5 * CREDIT // 2
    assert as_alice.post(page, dict.fromkeys(LIMITS, "")).status_code == 302
    assert chain_of(key.spender_id) == []
    assert keys.verify(secret).rules[0].models == ()
    assert Rules.objects.get().requests_per_minute is None


def test_nobody_loosens_the_limits_of_their_own_key(
    as_alice: Client, organization: Organization, alice: User
) -> None:
    own, _ = make_key(organization, alice, "own")
    page = url(own, "limits")
    as_alice.post(page, LIMITS)
    loose = as_alice.post(page, {**LIMITS, "per_day": "9"})
    assert "Nobody raises or removes their own limit" in pages.read(loose).text
    assert as_alice.post(page, {**LIMITS, "per_day": "1"}).status_code == 302
    assert chain_of(own.spender_id)[0].limit_micros == CREDIT


def test_the_leaked_page_says_what_it_did_and_from_where(
    as_alice: Client, made: tuple[ApiKey, str]
) -> None:
    key, old = made
    make_call(key, charged=7, model="openai/o3")
    now = timezone.now()
    sightings.note({(key.spender_id, "203.0.113.9"): Seen(now, now, 3)})
    text = text_of(as_alice, key, "leaked/")
    assert "7 credits in 1 request," in text
    assert "openai/o3 1 7" in text
    assert f"203.0.113.9 …{key.last4}" in text
    assert "203.0.113.9" not in text_of(as_alice, key)

    form = {"act": "rotate", "seen": key.spender_id}
    answer = as_alice.post(url(key, "leaked/"), form)
    found = key_format.PATTERN.search(answer.content.decode())
    assert found is not None
    assert keys.verify(found.group()).key_id == key.pk
    with pytest.raises(RevokedKey):
        keys.verify(old)
    stale = as_alice.post(url(key, "leaked/"), form, follow=True)
    assert "in the meantime" in pages.read(stale).text
    assert KeySecret.objects.filter(key=key).count() == 2
    gone = as_alice.post(url(key, "leaked/"), {"act": "revoke"}, follow=True)
    assert "every call is refused" in pages.read(gone).text
    with pytest.raises(RevokedKey):
        keys.verify(found.group())


def test_the_first_call_is_seen_with_and_without_a_script(
    as_alice: Client, made: tuple[ApiKey, str]
) -> None:
    key, _ = made
    assert "Waiting for its first call" in text_of(as_alice, key, "seen")
    part = as_alice.get(url(key, "seen?part=1")).content.decode()
    assert "<html" not in part
    assert "Waiting" in part
    hold_id = make_call(key, charged=3)
    page = pages.read(as_alice.get(url(key, "seen")))
    assert "First call seen ✓" in page.text
    assert "3 credits" in page.text
    assert f"/o/acme/activity/req_{hold_id}" in "".join(page.links())
    # A new secret waits for a first call of its own.
    keys.rotate(key, timedelta(hours=1), actor=OPERATOR)
    assert "Waiting" in text_of(as_alice, key, "seen")


def test_a_developer_limits_a_key_while_they_make_it(
    client: Client, organization: Organization, bob: User
) -> None:
    client.force_login(bob)
    form = {
        **LIMITS,
        "name": "ci",
        "project": organization.projects.get().pk,
        "ticket": "t",
    }
    wrong = client.post("/o/acme/keys/new", {**form, "per_day": "much"})
    assert '<details class="more advanced" open>' in wrong.content.decode()
    assert client.post("/o/acme/keys/new", form).status_code == 200
    key = ApiKey.objects.get()
    assert len(chain_of(key.spender_id)) == 2
    assert client.get(url(key, "limits")).status_code == 404
    assert "openai/*" in text_of(client, key)
