"""From which addresses keys are used: added up, shown by key, deleted when old."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.models import KeySighting, Organization, User
from portal.tenants import keys, sightings
from portal.tenants.sightings import Seen
from tests.support.cast import actor_of, make_key


def test_they_are_added_up_by_secret_and_address(
    organization: Organization, alice: User
) -> None:
    key, _ = make_key(organization, alice)
    old = key.spender_id
    now = timezone.now()
    ago = now - timedelta(hours=1)

    def note(spender_id: int, address: str, at: datetime, requests: int) -> None:
        sightings.note({(spender_id, address): Seen(at, at, requests)})

    note(old, "192.0.2.7", ago, 3)
    note(old, "192.0.2.7", now, 2)
    key, _ = keys.rotate(key, timedelta(hours=1), actor=actor_of(alice))
    note(key.spender_id, "2001:db8::1", now, 1)
    note(10**9, "192.0.2.7", now, 1)  # nobody's
    assert KeySighting.objects.count() == 2

    first, second = sorted(sightings.of_key(key, ago), key=lambda each: -each.requests)
    assert (first.address, first.requests) == ("192.0.2.7", 5)
    assert (first.first_at, first.last_at) == (ago, now)
    assert (second.address, second.secret.last4) == ("2001:db8::1", key.last4)
    assert sightings.of_key(key, now + timedelta(seconds=1)) == []
    other, _ = make_key(organization, alice, "other")
    assert sightings.of_key(other, ago) == []


def test_a_key_that_is_used_from_everywhere_fills_nothing(
    organization: Organization, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sightings, "ADDRESSES_MAX", 2)
    key, _ = make_key(organization, alice)
    now = timezone.now()
    for number in range(4):
        sightings.note({(key.spender_id, f"192.0.2.{number}"): Seen(now, now, 1)})
    assert KeySighting.objects.count() == 2


def test_they_are_deleted_when_they_are_old(
    organization: Organization, alice: User, settings: Any
) -> None:
    key, _ = make_key(organization, alice)
    old, new = (timezone.now() - timedelta(days=days) for days in (31, 29))
    sightings.note(
        {
            (key.spender_id, "192.0.2.1"): Seen(old, old, 1),
            (key.spender_id, "192.0.2.2"): Seen(old, new, 1),
        }
    )
    assert sightings.forget_old() == 1
    assert KeySighting.objects.get().address == "192.0.2.2"
    settings.KEY_ADDRESS_DAYS = 0
    assert sightings.forget_old() == 1
