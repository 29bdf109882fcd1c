"""Where an organization is told of events by HTTP: endpoints, deliveries, attempts."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing.models import Event
from portal.models.organization import Organization

URL_MAX, HINT_MAX, ERROR_MAX, EXCERPT_MAX = 2000, 60, 60, 500


class EndpointKind(models.TextChoices):
    """What is sent: a signed event, or a sentence in the form that a chat reads."""

    WEBHOOK = "webhook"
    SLACK = "slack"
    TEAMS = "teams"


class WhyDisabled(models.TextChoices):
    """Why nothing is sent to an endpoint any more."""

    BY_HAND = "by_hand"
    GONE = "gone"  # it answered 410
    FAILING = "failing"  # nothing came through for as long as a delivery is tried


class WebhookEndpoint(models.Model):
    """An address that events are sent to.

    A webhook's secret signs what is sent. A chat's address is itself its secret, so
    `url` is empty there and `sealed_secret` holds it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="webhook_endpoints"
    )
    kind = models.CharField(max_length=10, default=EndpointKind.WEBHOOK)
    name = models.CharField(max_length=100)
    url = models.CharField(max_length=URL_MAX, blank=True)
    # Names of `billing.values.event_types`, in its order.
    event_types = models.JSONField()
    sealed_secret = models.TextField()
    hint = models.CharField(max_length=HINT_MAX)
    # The secret before: it signs beside the new one until then.
    sealed_former = models.TextField(blank=True)
    former_until = models.DateTimeField(null=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    disabled_at = models.DateTimeField(null=True)
    why_disabled = models.CharField(max_length=10, blank=True)
    deleted_at = models.DateTimeField(null=True)
    # Since when nothing came through, and how many attempts in a row.
    failing_since = models.DateTimeField(null=True)
    failures = models.IntegerField(default=0)
    # It asked for a pause, or could not keep up.
    not_before = models.DateTimeField(null=True)

    class Meta:
        db_table = "portal_webhookendpoint"
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in EndpointKind]),
                name="webhookendpoint_kind_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        return f"we_{self.id.hex}"

    @property
    def is_active(self) -> bool:
        return self.disabled_at is None and self.deleted_at is None


class DeliveryState(models.TextChoices):
    """pending → delivered | failed; a replay makes it pending again."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Delivery(models.Model):
    """One event for one endpoint: at least once, always under the event's id."""

    id = models.BigAutoField(primary_key=True)
    event = models.ForeignKey(
        Event, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries"
    )
    state = models.CharField(max_length=10, default=DeliveryState.PENDING)
    created_at = models.DateTimeField()
    # When it is due; who sends it has it until `claimed_until`, and if he dies it is
    # due again then.
    next_at = models.DateTimeField()
    claimed_until = models.DateTimeField(null=True)
    tries = models.IntegerField(default=0)  # since it was made, or replayed
    replays = models.IntegerField(default=0)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "portal_delivery"
        constraints = [
            models.UniqueConstraint(
                fields=["event", "endpoint"], name="delivery_once_each"
            ),
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in DeliveryState]),
                name="delivery_state_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["endpoint", "next_at"],
                condition=Q(state="pending"),
                name="delivery_due",
            ),
            models.Index(fields=["endpoint", "-id"], name="delivery_latest"),
            models.Index(fields=["created_at"], name="delivery_old"),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk} ({self.state})"


class DeliveryAttempt(models.Model):
    """One request, and what came back."""

    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="attempts"
    )
    at = models.DateTimeField()
    status = models.SmallIntegerField(null=True)  # null: no answer
    error = models.CharField(max_length=ERROR_MAX, blank=True)
    duration_ms = models.IntegerField()
    excerpt = models.CharField(max_length=EXCERPT_MAX, blank=True)  # of the answer

    class Meta:
        db_table = "portal_deliveryattempt"

    def __str__(self) -> str:
        return f"attempt at {self.delivery_id}: {self.status or self.error}"
