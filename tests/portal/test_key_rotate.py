"""Rotating and revoking: the successor works at once, the old key ends on time."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from portal.models import ApiKey, AuditEvent, Organization, User
from portal.tenants import keys
from portal.tenants.errors import ExpiredKey, KeyNotActive, RevokedKey
from tests.support.cast import actor_of, make_key

HOUR = timedelta(hours=1)


def test_both_keys_work_during_the_overlap(
    organization: Organization, alice: User
) -> None:
    key, old_secret = make_key(organization, alice)
    successor, secret = keys.rotate(key, HOUR, actor=actor_of(alice))
    assert keys.verify(old_secret).key_id == key.id
    assert keys.verify(secret).key_id == successor.id


def test_the_old_key_ends_with_the_overlap(
    organization: Organization, alice: User
) -> None:
    key, old_secret = make_key(organization, alice)
    _, secret = keys.rotate(key, HOUR, actor=actor_of(alice))
    with time_machine.travel(timezone.now() + HOUR, tick=False):
        with pytest.raises(ExpiredKey):
            keys.verify(old_secret)
        keys.verify(secret)


def test_without_overlap_the_old_key_is_revoked_at_once(
    organization: Organization, alice: User
) -> None:
    key, old_secret = make_key(organization, alice)
    keys.rotate(key, timedelta(0), actor=actor_of(alice))
    with pytest.raises(RevokedKey):
        keys.verify(old_secret)


def test_an_overlap_never_outlives_the_old_keys_own_expiry(
    organization: Organization, alice: User
) -> None:
    expires_at = timezone.now() + HOUR
    key, _ = make_key(organization, alice, expires_at=expires_at)
    keys.rotate(key, 24 * HOUR, actor=actor_of(alice))
    key.spender.refresh_from_db()
    assert key.expires_at == expires_at


def test_the_successor_has_the_same_name_project_and_lifetime(
    organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice, expires_at=timezone.now() + 720 * HOUR)
    with time_machine.travel(timezone.now() + 24 * HOUR):
        successor, _ = keys.rotate(key, HOUR, actor=actor_of(alice))
    assert (successor.name, successor.project) == (key.name, key.project)
    assert successor.rotated_from == key
    assert successor.expires_at is not None
    lifetime = successor.expires_at - successor.created_at
    assert abs(lifetime - 720 * HOUR) < timedelta(seconds=5)


def test_a_key_is_rotated_once(organization: Organization, alice: User) -> None:
    key, _ = make_key(organization, alice)
    keys.rotate(key, HOUR, actor=actor_of(alice))
    with pytest.raises(KeyNotActive):
        keys.rotate(key, HOUR, actor=actor_of(alice))
    assert ApiKey.objects.filter(organization=organization).count() == 2


def test_a_revoked_or_expired_key_is_not_rotated(
    organization: Organization, alice: User
) -> None:
    revoked, _ = make_key(organization, alice)
    keys.revoke(revoked, actor=actor_of(alice))
    expired, _ = make_key(organization, alice, expires_at=timezone.now() - HOUR)
    for key in (revoked, expired):
        with pytest.raises(KeyNotActive):
            keys.rotate(key, HOUR, actor=actor_of(alice))


def test_revoking_again_changes_nothing(
    organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice)
    keys.revoke(key, actor=actor_of(alice))
    first = ApiKey.objects.get(pk=key.pk).revoked_at
    keys.revoke(key, actor=actor_of(alice))
    assert ApiKey.objects.get(pk=key.pk).revoked_at == first
    assert AuditEvent.objects.filter(action="api_key.revoke").count() == 1


def test_each_change_is_audited_with_actor_and_address_and_no_secret(
    organization: Organization, alice: User
) -> None:
    key, secret = make_key(organization, alice)
    _, second = keys.rotate(key, timedelta(0), actor=actor_of(alice))
    events = AuditEvent.objects.filter(action__startswith="api_key").order_by("id")
    assert [event.action for event in events] == [
        "api_key.create",
        "api_key.revoke",
        "api_key.rotate",
    ]
    for event in events:
        assert event.actor_label == "alice@example.com"
        assert event.ip_address == "192.0.2.7"
        shown = f"{event.target} {event.detail}"
        assert secret[17:49] not in shown
        assert second[17:49] not in shown
