"""What somebody sends by hand: a test, or once more what an endpoint missed."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction

from billing.models import Event
from billing.values import clock, ids
from portal.models import (
    AuditEvent,
    Delivery,
    DeliveryState,
    NoticeMail,
    Organization,
    WebhookEndpoint,
)
from portal.notices import endpoints, sending
from portal.notices.deliveries import Outcome
from portal.notices.endpoints import CHOICES, InvalidEndpoint
from portal.outbound import Guard
from portal.tenants import audit, policy
from portal.tenants.errors import PortalError
from portal.tenants.roles import Permission

TESTS_AN_HOUR = 10
# Of all an organization's endpoints. Each is a request to whatever host it names, at
# once, and a row of a trail that nothing is deleted from.
WEBHOOK_TESTS_AN_HOUR = 120


class TooManyTests(PortalError):
    message = f"An organization sends {WEBHOOK_TESTS_AN_HOUR} tests an hour at most."


@transaction.atomic
def replay(delivery: Delivery, *, actor: audit.Actor) -> bool:
    """Send an event again under its own id, as often as a new one; False when it waits
    already. Raises: NotAllowed."""
    endpoint = delivery.endpoint
    policy.require(
        actor, endpoint.organization_id, endpoints.permission_for(endpoint.kind)
    )
    rows = Delivery.objects.select_for_update(no_key=True)
    row = rows.get(pk=delivery.pk)
    if row.state == DeliveryState.PENDING:
        return False
    row.state, row.ended_at = DeliveryState.PENDING, None
    row.tries, row.next_at, row.replays = 0, clock.now(), row.replays + 1
    row.save(update_fields=["state", "ended_at", "tries", "next_at", "replays"])
    audit.record(
        "webhook.replay",
        actor=actor,
        organization=endpoint.organization,
        target=endpoint.name,
        endpoint_id=endpoint.public_id,
        event_id=row.event.public_id,
    )
    return True


def send_test(
    endpoint: WebhookEndpoint,
    event_type: str = "",
    *,
    actor: audit.Actor,
    guard: Guard | None = None,
) -> Outcome:
    """Send a test, now and once; what came back. Blocks for WEBHOOK_SECONDS_MAX at
    most. Raises: as `prepare_test`."""
    return sending.send_once(prepare_test(endpoint, event_type, actor=actor), guard)


def prepare_test(
    endpoint: WebhookEndpoint, event_type: str = "", *, actor: audit.Actor
) -> Delivery:
    """An event of this type whose data say that it is a test, not stored.

    Raises: NotAllowed, InvalidEndpoint for a type that does not exist, TooManyTests.
    """
    chosen = event_type or "endpoint.test"
    if event_type and event_type not in CHOICES:
        raise InvalidEndpoint("event_type", "There is no such event.")
    with transaction.atomic():
        policy.require(
            actor, endpoint.organization_id, endpoints.permission_for(endpoint.kind)
        )
        if _done_lately("webhook.test", endpoint.organization) >= WEBHOOK_TESTS_AN_HOUR:
            raise TooManyTests
        audit.record(
            "webhook.test",
            actor=actor,
            organization=endpoint.organization,
            target=endpoint.name,
            endpoint_id=endpoint.public_id,
            event_type=chosen,
        )
    subject = "video" if chosen.startswith("video.") else chosen.partition(".")[0]
    event = Event(
        uid=UUID(ids.new_id()),
        account_id=endpoint.organization.account_id,
        type=chosen,
        data={"id": "test", "object": subject, "is_test": True},
        created_at=clock.now(),
    )
    return Delivery(event=event, endpoint=endpoint)


def mail_test(organization: Organization, *, actor: audit.Actor) -> bool:
    """Mail the acting person what an alert looks like; False when they had enough
    tests in this hour. Raises: NotAllowed."""
    assert actor.user is not None, "only people have an address"
    with transaction.atomic():
        policy.require(actor, organization.id, Permission.MANAGE_ALERTS)
        if _done_lately("alert.test", organization) >= TESTS_AN_HOUR:
            return False
        now = clock.now()
        event = Event.objects.create(
            uid=UUID(ids.new_id()),
            account_id=organization.account_id,
            type="endpoint.test",
            key=ids.new_id(),
            data={"object": "test", "is_test": True},
            created_at=now,
            dispatched_at=now,
        )
        NoticeMail.objects.create(
            event=event,
            organization=organization,
            address=actor.user.email,
            created_at=now,
            next_at=now,
        )
        audit.record("alert.test", actor=actor, organization=organization)
    return True


def _done_lately(action: str, organization: Organization) -> int:
    """How often within the last hour."""
    since = clock.now() - timedelta(hours=1)
    done = AuditEvent.objects.filter(organization=organization, action=action)
    return done.filter(at__gt=since).count()
