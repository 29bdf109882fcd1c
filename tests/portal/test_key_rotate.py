"""Rotating and revoking: the key stays, its new secret works at once, the old one ends
on time."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from portal.models import ApiKey, AuditEvent, KeySecret, Organization, User
from portal.tenants import key_edits, keys
from portal.tenants.errors import ExpiredKey, KeyNotActive, RevokedKey
from tests.support.cast import actor_of, make_key

HOUR = timedelta(hours=1)


def test_a_rotated_key_is_the_same_key_and_both_secrets_work(
    organization: Organization, alice: User
) -> None:
    key, old_secret = make_key(organization, alice)
    rotated, secret = keys.rotate(key, HOUR, actor=actor_of(alice))
    assert rotated.id == key.id == ApiKey.objects.get().id
    old, new = keys.verify(old_secret), keys.verify(secret)
    assert old.key_id == new.key_id == key.id
    assert old.spender_id == key.spender_id != new.spender_id
    # The name by which people know it is kept, too; the end tells its secrets apart.
    assert secret[:17] == old_secret[:17]
    assert (rotated.hint, key.hint) == tuple(
        f"{each[:16]}…{each[-4:]}" for each in (secret, old_secret)
    )


def test_the_old_secret_ends_with_the_overlap(
    organization: Organization, alice: User
) -> None:
    key, old_secret = make_key(organization, alice)
    _, secret = keys.rotate(key, HOUR, actor=actor_of(alice))
    with time_machine.travel(timezone.now() + HOUR, tick=False):
        with pytest.raises(ExpiredKey, match="rotated"):
            keys.verify(old_secret)
        keys.verify(secret)


def test_without_overlap_every_old_secret_is_refused_at_once(
    organization: Organization, alice: User
) -> None:
    key, oldest = make_key(organization, alice)
    key, older = keys.rotate(key, HOUR, actor=actor_of(alice))
    key, newest = keys.rotate(key, timedelta(0), actor=actor_of(alice))
    for old in (oldest, older):
        with pytest.raises(RevokedKey, match="rotated"):
            keys.verify(old)
    assert keys.verify(newest).key_id == key.id


def test_an_overlap_never_outlives_the_old_secrets_own_expiry(
    organization: Organization, alice: User
) -> None:
    expires_at = timezone.now() + HOUR
    key, _ = make_key(organization, alice, expires_at=expires_at)
    keys.rotate(key, 24 * HOUR, actor=actor_of(alice))
    key.spender.refresh_from_db()
    assert key.expires_at == expires_at


def test_a_rotated_key_has_its_lifetime_again(
    organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice, expires_at=timezone.now() + 720 * HOUR)
    with time_machine.travel(timezone.now() + 24 * HOUR):
        rotated, _ = keys.rotate(key, HOUR, actor=actor_of(alice))
    assert rotated.expires_at is not None
    lifetime = rotated.expires_at - KeySecret.objects.latest("id").created_at
    assert abs(lifetime - 720 * HOUR) < timedelta(seconds=5)


def test_who_saw_an_older_secret_does_not_rotate_the_newer_one(
    organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice)
    keys.rotate(key, HOUR, actor=actor_of(alice))
    with pytest.raises(KeyNotActive):
        keys.rotate(key, HOUR, actor=actor_of(alice))
    assert KeySecret.objects.filter(key=key).count() == 2


def test_a_revoked_disabled_or_expired_key_is_not_rotated(
    organization: Organization, alice: User
) -> None:
    revoked, _ = make_key(organization, alice)
    keys.revoke(revoked, actor=actor_of(alice))
    disabled, _ = make_key(organization, alice)
    key_edits.disable(disabled, actor=actor_of(alice))
    expired, _ = make_key(organization, alice, expires_at=timezone.now() - HOUR)
    for key in (revoked, disabled, expired):
        with pytest.raises(KeyNotActive):
            keys.rotate(key, HOUR, actor=actor_of(alice))


def test_revoking_refuses_all_secrets_and_again_changes_nothing(
    organization: Organization, alice: User
) -> None:
    key, old = make_key(organization, alice)
    _, new = keys.rotate(key, HOUR, actor=actor_of(alice))
    keys.revoke(key, actor=actor_of(alice))
    for secret in (old, new):
        with pytest.raises(RevokedKey):
            keys.verify(secret)
    first = ApiKey.objects.get(pk=key.pk).revoked_at
    keys.revoke(key, actor=actor_of(alice))
    assert ApiKey.objects.get(pk=key.pk).revoked_at == first
    assert AuditEvent.objects.filter(action="api_key.revoke").count() == 1


def test_each_change_is_audited_with_actor_and_address_and_no_secret(
    organization: Organization, alice: User
) -> None:
    key, first = make_key(organization, alice)
    key, second = keys.rotate(key, timedelta(0), actor=actor_of(alice))
    keys.revoke(key, actor=actor_of(alice))
    events = AuditEvent.objects.filter(action__startswith="api_key").order_by("id")
    assert [event.action for event in events] == [
        "api_key.create",
        "api_key.rotate",
        "api_key.revoke",
    ]
    for event in events:
        assert event.actor_label == "alice@example.com"
        assert event.ip_address == "192.0.2.7"
        shown = f"{event.target} {event.detail}"
        assert first[17:49] not in shown
        assert second[17:49] not in shown
