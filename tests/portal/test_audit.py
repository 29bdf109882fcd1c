"""The audit trail: who, from where, and only together with the change."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.test import RequestFactory

from portal.models import AuditEvent, Organization, User
from portal.tenants import audit
from tests.support.cast import actor_of

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("peer", "known"),
    [
        ("198.51.100.4", "198.51.100.4"),
        ("2001:DB8::1", "2001:db8::1"),
        ("", None),
        ("unix:", None),
    ],
)
def test_the_address_is_the_peers(peer: str, known: str | None) -> None:
    request = RequestFactory().get(
        "/", REMOTE_ADDR=peer, headers={"x-forwarded-for": "10.0.0.1"}
    )
    assert audit.address_of(request) == known


def test_an_event_outlives_the_person(organization: Organization, alice: User) -> None:
    with transaction.atomic():
        audit.record("test.act", actor=actor_of(alice), organization=organization)
    organization.memberships.all().delete()
    number = alice.pk
    alice.delete()
    event = AuditEvent.objects.get(action="test.act")
    assert (event.actor_id, event.actor_label) == (number, "alice@example.com")
