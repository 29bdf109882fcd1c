"""Disabling and enabling a key, its name, its end, and ending an overlap."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from billing.models import Hold
from portal.models import AuditEvent, Organization, User
from portal.tenants import key_edits, keys
from portal.tenants.errors import (
    DisabledKey,
    ExpiredKey,
    InvalidExpiry,
    InvalidName,
    KeyNotActive,
    RevokedKey,
)
from tests.support.cast import actor_of, make_call, make_key

HOUR = timedelta(hours=1)


def test_a_disabled_key_works_again_by_the_secrets_that_would(
    organization: Organization, alice: User
) -> None:
    key, first = make_key(organization, alice)
    key, second = keys.rotate(key, timedelta(0), actor=actor_of(alice))
    key, third = keys.rotate(key, HOUR, actor=actor_of(alice))
    assert key_edits.disable(key, actor=actor_of(alice))
    assert not key_edits.disable(key, actor=actor_of(alice))
    for secret in (second, third):
        with pytest.raises(DisabledKey):
            keys.verify(secret)
    with pytest.raises(RevokedKey):
        keys.verify(first)

    assert key_edits.enable(key, actor=actor_of(alice))
    assert not key_edits.enable(key, actor=actor_of(alice))
    for secret in (second, third):
        assert keys.verify(secret).key_id == key.id
    with pytest.raises(RevokedKey):
        keys.verify(first)
    acts = AuditEvent.objects.order_by("-id").values_list("action", flat=True)
    assert list(acts[:2]) == ["api_key.enable", "api_key.disable"]


def test_a_revoked_key_is_neither_disabled_nor_enabled(
    organization: Organization, alice: User
) -> None:
    key, secret = make_key(organization, alice)
    key_edits.disable(key, actor=actor_of(alice))
    keys.revoke(key, actor=actor_of(alice))
    assert not key_edits.enable(key, actor=actor_of(alice))
    assert not key_edits.disable(key, actor=actor_of(alice))
    with pytest.raises(RevokedKey):
        keys.verify(secret)


def test_an_overlap_is_ended_before_its_time_and_the_newest_secret_stays(
    organization: Organization, alice: User
) -> None:
    key, old = make_key(organization, alice)
    key, new = keys.rotate(key, HOUR, actor=actor_of(alice))
    newest, replaced = keys.secrets_in_force(key)
    assert not key_edits.end_secret(newest, actor=actor_of(alice))
    assert key_edits.end_secret(replaced, actor=actor_of(alice))
    assert not key_edits.end_secret(replaced, actor=actor_of(alice))
    with pytest.raises(RevokedKey, match="rotated"):
        keys.verify(old)
    assert keys.verify(new).key_id == key.id
    assert keys.secrets_in_force(key) == [newest]


def test_later_calls_have_the_new_name_and_earlier_ones_the_old(
    organization: Organization, alice: User
) -> None:
    key, secret = make_key(organization, alice, "laptop")
    make_call(key)
    key_edits.rename(key, "  build server ", actor=actor_of(alice))
    make_call(key)
    names = Hold.objects.order_by("placed_at").values_list("spender_label", flat=True)
    assert list(names) == ["laptop", "build server"]
    assert keys.verify(secret).label == "build server"
    for wrong in ("", "a\x07", "x" * 10_000):
        with pytest.raises(InvalidName):
            key_edits.rename(key, wrong, actor=actor_of(alice))


def test_an_end_is_set_moved_and_taken_away_but_no_key_is_woken_up(
    organization: Organization, alice: User
) -> None:
    now = timezone.now()
    key, old = make_key(organization, alice)
    key, _ = keys.rotate(key, 5 * HOUR, actor=actor_of(alice))
    key_edits.set_expiry(key, now + HOUR, actor=actor_of(alice))
    ends = [each.spender.closes_at for each in keys.secrets_in_force(key)]
    assert ends == [now + HOUR, now + HOUR]
    key_edits.set_expiry(key, None, actor=actor_of(alice))
    assert keys.verify(old).closes_at == now + HOUR
    assert keys.lock(key).expires_at is None
    for wrong in (now - HOUR, now + timedelta(days=4000)):
        with pytest.raises(InvalidExpiry):
            key_edits.set_expiry(key, wrong, actor=actor_of(alice))

    ended, secret = make_key(organization, alice, expires_at=now - HOUR)
    with pytest.raises(KeyNotActive):
        key_edits.set_expiry(ended, None, actor=actor_of(alice))
    with pytest.raises(ExpiredKey):
        keys.verify(secret)
