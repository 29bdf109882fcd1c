"""The pages of keys: a secret is shown once, in the answer that made it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.models import ApiKey, KeySecret, Organization, User
from portal.pages.keys.listing import KEYS
from portal.tenants import key_format, keys
from tests.support.cast import actor_of, make_call, make_key
from tests.support.portal import pages

pytestmark = pytest.mark.once
QUERIES = 24


@pytest.fixture
def as_alice(client: Client, alice: User, organization: Organization) -> Client:
    client.force_login(alice)
    return client


def create(client: Client, organization: Organization, **more: Any) -> Any:
    project = organization.projects.get(is_default=True)
    form = {"name": "laptop", "project": project.pk, "ticket": "one", **more}
    return client.post(reverse("key-create", args=[organization.slug]), form)


def secret_in(answer: Any) -> str:
    found = key_format.PATTERN.search(answer.content.decode())
    assert found is not None
    return found.group()


def listed(client: Client, query: str = "") -> pages.Page:
    return pages.read(client.get(reverse("keys", args=["acme"]) + query))


def test_a_created_key_works_and_is_shown_with_snippets(
    as_alice: Client, organization: Organization
) -> None:
    answer = create(as_alice, organization)
    secret = secret_in(answer)
    assert keys.verify(secret).label == "laptop"
    text = pages.read(answer).text
    assert f"OPENAI_API_KEY={secret}" in text
    assert "OPENAI_BASE_URL=http://127.0.0.1:8000/v1" in text
    assert f'-H "Authorization: Bearer {secret}"' in text
    assert f'api_key="{secret}"' in text
    assert f'apiKey: "{secret}"' in text
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("way", ["create", "rotate"])
def test_the_secret_is_nowhere_else(
    as_alice: Client,
    organization: Organization,
    alice: User,
    way: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if way == "create":
        secret = secret_in(create(as_alice, organization))
    else:
        key, _ = make_key(organization, alice)
        url = reverse("key-rotate", args=["acme", key.pk])
        form = {"overlap": "1", "seen": key.spender_id}
        secret = secret_in(as_alice.post(url, form))
    hidden = secret[17:49]
    for url in (reverse("keys", args=["acme"]), reverse("overview", args=["acme"])):
        assert hidden not in as_alice.get(url).content.decode()
    for model in apps.get_models():
        assert hidden not in str(list(model._default_manager.values())), model
    assert hidden not in caplog.text
    assert hidden not in str(as_alice.session.items())


def test_a_reloaded_answer_makes_no_second_key(
    as_alice: Client, organization: Organization
) -> None:
    create(as_alice, organization)
    answer = create(as_alice, organization)
    assert answer["location"] == reverse("keys", args=["acme"])
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(("lifetime", "days"), [("", None), ("30", 30), ("90", 90)])
def test_a_key_expires_when_asked_to(
    as_alice: Client, organization: Organization, lifetime: str, days: int | None
) -> None:
    create(as_alice, organization, lifetime=lifetime)
    expires_at = ApiKey.objects.get().expires_at
    if days is None:
        assert expires_at is None
    else:
        assert expires_at is not None
        left = expires_at - timezone.now()
        assert timedelta(days=days, minutes=-1) < left <= timedelta(days=days)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a\u202eb"},
        {"name": "x" * 10_000},
        {"lifetime": "365000"},
        {"lifetime": "date"},
        {"lifetime": "date", "expires_on": "2020-01-01"},
        {"lifetime": "date", "expires_on": "9999-12-31"},
        {"lifetime": "date", "expires_on": "tomorrow"},
        {"project": "0"},
        {"per_day": "-1"},
        {"per_total": "0"},
        {"per_month": "1e9"},
        {"models": "gpt 4,\x00"},
        {"models": "x" * 201},
        {"operations": "telepathy"},
        {"networks": "192.0.2.0/33"},
        {"requests_per_minute": "0"},
        {"calls_at_once": "many"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wrong_form_comes_back_with_what_was_typed(
    as_alice: Client, organization: Organization, wrong: dict[str, str]
) -> None:
    answer = create(as_alice, organization, **wrong)
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_fields_nobody_asked_for_change_nothing(
    as_alice: Client, organization: Organization, alice: User
) -> None:
    create(as_alice, organization, created_by=999, revoked_at="2020-01-01", id="1")
    key = ApiKey.objects.get()
    assert (key.created_by, key.revoked_at) == (alice, None)


def test_the_list_shows_hints_states_and_use(
    as_alice: Client, organization: Organization, alice: User
) -> None:
    used, _ = make_key(organization, alice, "used")
    make_call(used)
    gone, _ = make_key(organization, alice, "gone")
    keys.revoke(gone, actor=actor_of(alice))
    late = timezone.now() - timedelta(days=2, minutes=1)
    make_key(organization, alice, "late", expires_at=late)
    text = listed(as_alice).text
    bound = "997 left the organization's credits"
    assert f"used {used.hint} Default alice@example.com {bound}" in text
    assert f"gone {gone.hint} Default" in text
    assert "never never just now revoked" in text
    assert "never 2 days ago just now expired" in text
    assert "just now never just now active" in text, text


def test_a_revoked_key_offers_no_change(
    as_alice: Client, organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice)
    keys.revoke(key, actor=actor_of(alice))
    assert f'value="{key.pk}"' not in as_alice.get("/o/acme/keys/").content.decode()
    page = pages.read(as_alice.get(reverse("key", args=["acme", key.pk])))
    assert not {"Rotate", "Disable", "Revoke"} & set(page.text.split())


def test_a_developer_sees_their_own_keys_only(
    client: Client, organization: Organization, alice: User, bob: User
) -> None:
    make_key(organization, alice, "alices")
    make_key(organization, bob, "bobs")
    client.force_login(bob)
    text = listed(client).text
    assert "bobs" in text
    assert "alices" not in text


def test_a_long_list_comes_in_pages(
    as_alice: Client, organization: Organization, alice: User
) -> None:
    for number in range(KEYS.size + 1):
        make_key(organization, alice, f"key-{number}.")
    first = listed(as_alice)
    assert f"key-{KEYS.size}." in first.text
    assert "key-0." not in first.text
    [following] = [link for link in first.links() if "after=" in link]
    second = listed(as_alice, following)
    assert "key-0." in second.text
    assert "key-1." not in second.text


def test_the_list_takes_as_many_queries_for_many_keys_as_for_one(
    as_alice: Client,
    organization: Organization,
    alice: User,
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(10):
        make_key(organization, alice, f"key-{number}")
    with django_assert_max_num_queries(QUERIES):
        listed(as_alice)


def test_revoking_asks_first_then_revokes(
    as_alice: Client, organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice)
    url = reverse("key-revoke", args=["acme", key.pk])
    assert "Revoke laptop ?" in pages.read(as_alice.get(url)).text
    assert not ApiKey.objects.get().is_revoked
    wrong = as_alice.post(url, {"typed": "lapdog"})
    assert "not the key&#x27;s name" in wrong.content.decode()
    assert not ApiKey.objects.get().is_revoked
    answer = as_alice.post(url, {"typed": " laptop "}, follow=True)
    assert ApiKey.objects.get().is_revoked
    assert "laptop is revoked" in pages.read(answer).text


@pytest.mark.parametrize(
    ("overlap", "words"),
    [("0", "is refused from now on"), ("1", "in 59 min"), ("24", "in 23 hours")],
)
def test_rotating_says_how_long_the_old_secret_works(
    as_alice: Client,
    organization: Organization,
    alice: User,
    overlap: str,
    words: str,
) -> None:
    key, _ = make_key(organization, alice)
    url = reverse("key-rotate", args=["acme", key.pk])
    answer = as_alice.post(url, {"overlap": overlap, "seen": key.spender_id})
    assert keys.verify(secret_in(answer)).key_id == key.id
    text = pages.read(answer).text
    assert (key.hint in text) == (overlap != "0")
    assert words in text


def test_rotating_twice_is_refused_in_words(
    as_alice: Client, organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice)
    url = reverse("key-rotate", args=["acme", key.pk])
    form = {"overlap": "24", "seen": key.spender_id}
    as_alice.post(url, form)
    answer = as_alice.post(url, form, follow=True)
    assert "rotated, disabled or revoked in the meantime" in pages.read(answer).text
    assert KeySecret.objects.count() == 2


def test_an_overlap_of_ones_own_making_is_refused(
    as_alice: Client, organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice)
    url = reverse("key-rotate", args=["acme", key.pk])
    form = {"overlap": "9999", "seen": key.spender_id}
    assert as_alice.post(url, form).status_code == 200
    assert KeySecret.objects.count() == 1
