"""From the outbox to deliveries: who is told of an event, written in one transaction
with the word that the event is on its way. Killed anywhere, nothing is lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.db import transaction

from billing import outbox
from billing.models import Event
from billing.values import clock
from portal.models import Delivery, WebhookEndpoint
from portal.notices import mails

BATCH, BATCHES_MAX = 500, 200


def dispatch_due() -> int:
    """Until nothing waits, in transactions of some hundred; how many events."""
    total = 0
    for _ in range(BATCHES_MAX):
        done = dispatch_some()
        total += done
        if done < BATCH:
            break
    return total


@transaction.atomic
def dispatch_some() -> int:
    """The oldest events that wait; how many there were."""
    events = outbox.take(BATCH)
    if events:
        deliver_to(_endpoints_of(events), events)
        mails.write(events)
        outbox.mark_dispatched(events)
    return len(events)


def deliver_to(
    endpoints: dict[int, list[WebhookEndpoint]], events: Sequence[Event]
) -> None:
    """Write a delivery for each endpoint, by its account, that wants the event."""
    now = clock.now()
    rows = [
        Delivery(event=event, endpoint=endpoint, created_at=now, next_at=now)
        for event in events
        for endpoint in endpoints.get(event.account_id, [])
        if event.type in endpoint.event_types
    ]
    Delivery.objects.bulk_create(rows, ignore_conflicts=True)


def _endpoints_of(events: Iterable[Event]) -> dict[int, list[WebhookEndpoint]]:
    found = WebhookEndpoint.objects.filter(
        organization__account_id__in={event.account_id for event in events},
        disabled_at=None,
        deleted_at=None,
    ).select_related("organization")
    by_account: dict[int, list[WebhookEndpoint]] = defaultdict(list)
    for endpoint in found:
        by_account[endpoint.organization.account_id].append(endpoint)
    return by_account
