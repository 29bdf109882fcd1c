"""The rows of deliveries: whose turn it is, how an attempt ended, what comes next.

Whoever sends a delivery has claimed it for a while. If he dies the claim runs out and
somebody else sends it, so a receiver gets each event at least once, and may get it
twice: always under the event's own id.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from billing import outbox
from billing.values import clock, numbers
from portal.models import (
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    EndpointKind,
    WebhookEndpoint,
    WhyDisabled,
)
from portal.models.webhook import EXCERPT_MAX
from portal.tenants import audit

# Requests to one receiver at once; to one that keeps failing, a single one.
TOGETHER, FAILURES_TO_SLOW = 8, 5
ENDPOINTS_AT_ONCE = 200
# Longer than an attempt can take, so that only a dead sender's claim runs out.
CLAIM_SLACK = timedelta(seconds=15)
GONE = 410
# The receiver cannot keep up: it is left alone for this long, or as long as it asks.
SLOW_DOWN = frozenset({429, 502, 503, 504})
PAUSE, PAUSE_MAX = timedelta(seconds=30), timedelta(hours=24)
SYSTEM = audit.Actor(None, "Tollgate")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended; no status: no answer, for the reason in `error`."""

    status: int | None
    error: str
    duration_ms: int
    excerpt: str = ""
    retry_after: str = ""

    @property
    def is_delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def retry_seconds() -> list[int]:
    """The pauses after the first attempt, the second …"""
    return [int(text) for text in settings.WEBHOOK_RETRY_SECONDS.split(",") if text]


def claim() -> list[Delivery]:
    """Due deliveries that nobody sends just now, a few of each receiver: however many
    one has waiting, those of the others come beside them."""
    now = clock.now()
    waiting = Delivery.objects.filter(_is_due(now), endpoint=OuterRef("id"))
    receivers = WebhookEndpoint.objects.filter(
        Q(not_before=None) | Q(not_before__lte=now),
        Exists(waiting),
        disabled_at=None,
        deleted_at=None,
    )
    claimed: list[Delivery] = []
    chosen = receivers.select_related("organization").order_by("id")
    for endpoint in chosen[:ENDPOINTS_AT_ONCE]:
        claimed.extend(_claim_of(endpoint, now))
    return claimed


def _is_due(now: datetime) -> Q:
    is_free = Q(claimed_until=None) | Q(claimed_until__lte=now)
    return is_free & Q(state=DeliveryState.PENDING, next_at__lte=now)


@transaction.atomic
def _claim_of(endpoint: WebhookEndpoint, now: datetime) -> list[Delivery]:
    of_it = Delivery.objects.filter(endpoint=endpoint, state=DeliveryState.PENDING)
    together = 1 if endpoint.failures >= FAILURES_TO_SLOW else TOGETHER
    places = together - of_it.filter(claimed_until__gt=now).count()
    if places <= 0:
        return []
    rows = of_it.filter(_is_due(now)).order_by("next_at", "id").select_related("event")
    found = list(rows.select_for_update(skip_locked=True, of=("self",))[:places])
    until = now + timedelta(seconds=settings.WEBHOOK_SECONDS_MAX) + CLAIM_SLACK
    Delivery.objects.filter(id__in=[row.id for row in found]).update(
        claimed_until=until
    )
    for row in found:
        row.endpoint = endpoint
    return found


@transaction.atomic
def record(ended: Sequence[tuple[Delivery, Outcome]]) -> None:
    """Write how attempts ended, and what comes next of each."""
    now = clock.now()
    ids = sorted({delivery.endpoint_id for delivery, _ in ended})
    locked = WebhookEndpoint.objects.select_for_update(no_key=True)
    endpoints = {row.id: row for row in locked.filter(id__in=ids).order_by("id")}
    DeliveryAttempt.objects.bulk_create(
        [_attempt(delivery, outcome, now) for delivery, outcome in ended]
    )
    changed = []
    for delivery, outcome in ended:
        endpoint = endpoints[delivery.endpoint_id]
        before = (endpoint.failing_since, endpoint.failures, endpoint.not_before)
        _judge(endpoint, outcome, now)
        if before != (endpoint.failing_since, endpoint.failures, endpoint.not_before):
            changed.append(endpoint)
        _next(delivery, outcome, endpoint, now)
    fields = ["state", "tries", "next_at", "claimed_until", "ended_at"]
    Delivery.objects.bulk_update([delivery for delivery, _ in ended], fields)
    WebhookEndpoint.objects.bulk_update(
        list({row.id: row for row in changed}.values()),
        ["failing_since", "failures", "not_before"],
    )
    for delivery, outcome in ended:
        _disable_if_hopeless(endpoints[delivery.endpoint_id], delivery, outcome, now)


def _attempt(delivery: Delivery, outcome: Outcome, now: datetime) -> DeliveryAttempt:
    return DeliveryAttempt(
        delivery=delivery,
        at=now - timedelta(milliseconds=outcome.duration_ms),
        status=outcome.status,
        error=outcome.error,
        duration_ms=outcome.duration_ms,
        excerpt=outcome.excerpt[:EXCERPT_MAX],
    )


def _judge(endpoint: WebhookEndpoint, outcome: Outcome, now: datetime) -> None:
    """What an attempt says of its receiver."""
    if outcome.is_delivered:
        endpoint.failing_since, endpoint.failures = None, 0
        return
    endpoint.failures += 1
    endpoint.failing_since = endpoint.failing_since or now
    if outcome.status in SLOW_DOWN:
        pause = _asked_pause(outcome.retry_after, now) or PAUSE
        endpoint.not_before = now + min(pause, PAUSE_MAX)


def _next(
    delivery: Delivery, outcome: Outcome, endpoint: WebhookEndpoint, now: datetime
) -> None:
    delivery.tries += 1
    delivery.claimed_until = None
    pauses = retry_seconds()
    if outcome.is_delivered:
        delivery.state, delivery.ended_at = DeliveryState.DELIVERED, now
    elif delivery.tries > len(pauses):
        delivery.state, delivery.ended_at = DeliveryState.FAILED, now
    else:
        pause = timedelta(seconds=pauses[delivery.tries - 1])
        due = now + pause * (1 + secrets.randbelow(1000) / 10_000)
        delivery.next_at = max(due, endpoint.not_before or due)


def _asked_pause(text: str, now: datetime) -> timedelta | None:
    """Of `Retry-After`: seconds, or a date."""
    most = int(PAUSE_MAX.total_seconds())
    if (seconds := numbers.capped(text, most=most)) is not None:
        return timedelta(seconds=seconds)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(moment.replace(tzinfo=moment.tzinfo or UTC) - now, timedelta(0))


def _disable_if_hopeless(
    endpoint: WebhookEndpoint, delivery: Delivery, outcome: Outcome, now: datetime
) -> None:
    """After a 410, or when nothing came through for as long as one delivery is
    tried."""
    if endpoint.disabled_at is not None or endpoint.deleted_at is not None:
        return
    is_gone = outcome.status == GONE
    has_given_up = delivery.state == DeliveryState.FAILED
    span = timedelta(seconds=sum(retry_seconds()))
    failing = endpoint.failing_since
    is_dead = has_given_up and failing is not None and failing <= now - span
    if not is_gone and not is_dead:
        return
    why = WhyDisabled.GONE if is_gone else WhyDisabled.FAILING
    endpoint.disabled_at, endpoint.why_disabled = now, why
    endpoint.save(update_fields=["disabled_at", "why_disabled"])
    audit.record(
        "webhook.disable",
        actor=SYSTEM,
        organization=endpoint.organization,
        target=endpoint.name,
        endpoint_id=endpoint.public_id,
        why=why.value,
    )
    tell_disabled(endpoint, now)


def tell_disabled(endpoint: WebhookEndpoint, now: datetime) -> None:
    """The owner is told, by the other ways that there are."""
    outbox.emit(
        endpoint.organization.account_id,
        "endpoint.disabled",
        {
            "id": endpoint.public_id,
            "object": "webhook_endpoint",
            "name": endpoint.name,
            "kind": EndpointKind(endpoint.kind).value,
            "url": endpoint.url,
            "reason": endpoint.why_disabled,
            "failing_since": (endpoint.failing_since or now).isoformat(),
        },
        key=f"{endpoint.id}:{now.isoformat()}",
    )
