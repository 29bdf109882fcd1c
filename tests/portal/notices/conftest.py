"""A receiver, a clock to move, and an endpoint that gets every event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from pytest_django import Settings

from billing import outbox
from billing.models import Event
from portal.models import Organization, User, WebhookEndpoint
from portal.notices import endpoints
from portal.notices.endpoints import CHOICES, Wanted
from portal.tenants.audit import Actor
from tests.support.ledger.clocks import Clock
from tests.support.portal.receiver import Receiver

Emit = Callable[..., Event]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Everybody's clock, standing still at noon of tomorrow: after what is made by the
    machine's own."""
    clock = Clock()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    clock.moment = tomorrow.replace(hour=12, minute=0, second=0, microsecond=0)
    monkeypatch.setattr("billing.values.clock.source", clock)
    return clock


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    with Receiver() as started:
        settings.WEBHOOK_TRUSTED_HOSTS = [started.host]
        yield started


@pytest.fixture
def owner(alice: User) -> Actor:
    return Actor(alice, alice.email)


@pytest.fixture
def endpoint(
    organization: Organization, receiver: Receiver, owner: Actor
) -> WebhookEndpoint:
    wanted = Wanted("Billing", receiver.url, CHOICES)
    return endpoints.create(organization, wanted, actor=owner)[0]


@pytest.fixture
def emit(organization: Organization) -> Emit:
    """`emit("key.created", key="1", name="CI")` writes an event of the organization."""

    def write(type: str, *, key: str = "1", **data: Any) -> Event:
        with transaction.atomic():
            outbox.emit(organization.account_id, type, data, key=key)
        return Event.objects.get(account=organization.account, type=type, key=key)

    return write
