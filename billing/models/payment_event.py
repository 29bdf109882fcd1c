"""What payment providers have told, each once; and how far they were asked."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from billing.models.topup import TopUp


class EventState(models.TextChoices):
    """What became of an event."""

    APPLIED = "applied"
    IGNORED = "ignored"  # says nothing about a top-up
    WAITING = "waiting"  # of a payment that no top-up names yet
    QUARANTINED = "quarantined"  # does not fit its top-up: a person has to look
    DISMISSED = "dismissed"  # a person has looked, and nothing follows from it


class PaymentEvent(models.Model):
    """One event of a provider's. Written in the transaction of what it did."""

    id = models.BigAutoField(primary_key=True)
    provider = models.CharField(max_length=16)
    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=80)
    state = models.CharField(max_length=16)
    why = models.CharField(max_length=200, blank=True)  # it is quarantined
    topup = models.ForeignKey(
        TopUp, on_delete=models.PROTECT, related_name="events", null=True
    )
    payment_ref = models.CharField(max_length=255, blank=True)
    # What it says, as `billing.payments.report` writes it: no card, no person.
    report = models.JSONField(null=True)
    happened_at = models.DateTimeField()
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "event_id"], name="payment_event_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["payment_ref"],
                condition=Q(state="waiting"),
                name="payment_event_waiting",
            ),
            models.Index(
                fields=["id"],
                condition=Q(state="quarantined"),
                name="payment_event_quarantined",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.type} {self.event_id}: {self.state}"


class PaymentLook(models.Model):
    """Until when a provider's events were read by asking for them."""

    provider = models.CharField(max_length=16, primary_key=True)
    read_until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.provider} until {self.read_until}"
