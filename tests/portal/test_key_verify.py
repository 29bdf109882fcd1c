"""Who presents a key: one query for a plausible one, none for nonsense."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from billing import spenders
from portal.models import ApiKey, KeySecret, Organization, User
from portal.tenants import key_format, keys
from portal.tenants.errors import (
    ExpiredKey,
    KeyRefused,
    MalformedKey,
    RevokedKey,
    UnknownKey,
)
from tests.support.cast import actor_of, make_key

MALFORMED = (
    *("", "sk-proj-abc", "tg_live_", "tg_live_abcdefgh_" + "a" * 38),
    *("' OR 1=1 --", "%", "\0", "tg_live_\ud800", "x" * 1_000_000),
)


def test_a_valid_key_tells_who_it_is(organization: Organization, alice: User) -> None:
    closes_at = timezone.now() + timedelta(days=30)
    key, secret = make_key(organization, alice, "laptop", expires_at=closes_at)
    assert keys.verify(secret) == keys.Identity(
        key_id=key.id,
        spender_id=key.spender_id,
        account_id=organization.account_id,
        organization_slug="acme",
        closes_at=closes_at,
        label="laptop",
    )


def test_a_valid_key_takes_one_query(
    organization: Organization,
    alice: User,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    _, secret = make_key(organization, alice)
    with django_assert_num_queries(1):
        keys.verify(secret)


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_key_takes_none(
    text: str, db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0), pytest.raises(MalformedKey):
        keys.verify(text)


def test_a_well_formed_key_of_nobody_is_unknown(
    organization: Organization, alice: User
) -> None:
    make_key(organization, alice)
    with pytest.raises(UnknownKey):
        keys.verify(key_format.generate())


def test_a_revoked_key_is_refused(organization: Organization, alice: User) -> None:
    key, secret = make_key(organization, alice)
    keys.revoke(key, actor=actor_of(alice))
    with pytest.raises(RevokedKey):
        keys.verify(secret)


def test_a_key_whose_spender_is_closed_is_refused(
    organization: Organization, alice: User
) -> None:
    key, secret = make_key(organization, alice)
    spenders.close(key.spender_id)
    with pytest.raises(RevokedKey):
        keys.verify(secret)


def test_a_key_expires_on_its_instant(organization: Organization, alice: User) -> None:
    closes_at = timezone.now() + timedelta(days=1)
    _, secret = make_key(organization, alice, expires_at=closes_at)
    with time_machine.travel(closes_at - timedelta(milliseconds=1), tick=False):
        assert keys.verify(secret).closes_at == closes_at
    with time_machine.travel(closes_at, tick=False), pytest.raises(ExpiredKey):
        keys.verify(secret)


def test_every_refusal_has_a_code_of_its_own() -> None:
    kinds = KeyRefused.__subclasses__()
    assert {kind.code for kind in kinds} == {
        "malformed_api_key",
        "invalid_api_key",
        "key_revoked",
        "key_disabled",
        "key_expired",
        "project_archived",
        "key_holder_disabled",
        "envelope_closed",
    }
    assert all("key" in str(kind()) for kind in kinds)


def test_only_a_digest_is_stored(organization: Organization, alice: User) -> None:
    key, secret = make_key(organization, alice)
    row = KeySecret.objects.filter(key=key).values().get()
    assert row["digest"] == key_format.digest(secret)
    assert secret[17:49] not in f"{row} {ApiKey.objects.values().get()}"
    assert key.hint == f"{secret[:16]}…{secret[-4:]}"
