"""Of what an organization's people are told, how it stands, and what was mailed."""

from __future__ import annotations

from django.db import models

from billing.models import Event
from portal.models.organization import Organization

ADDRESS_MAX, WHY_MAX = 254, 60


class AlertSetting(models.Model):
    """What somebody changed of one kind of alert; without a row it is as at first."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="alert_settings"
    )
    kind = models.CharField(max_length=20)
    is_on = models.BooleanField(default=True)
    # Only of `balance`: what is low, by the amount or by how long it lasts.
    low_micros = models.BigIntegerField(null=True)
    low_days = models.SmallIntegerField(null=True)

    class Meta:
        db_table = "portal_alertsetting"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "kind"], name="alertsetting_once_each"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.organization_id}"


class AlertState(models.Model):
    """Something that lasts: whether it does now, and how often it has begun."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="+"
    )
    kind = models.CharField(max_length=20)
    is_raised = models.BooleanField(default=False)
    episode = models.IntegerField(default=0)

    class Meta:
        db_table = "portal_alertstate"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "kind"], name="alertstate_once_each"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.organization_id}: {self.is_raised}"


class Watch(models.Model):
    """When an organization was looked at last."""

    organization = models.OneToOneField(
        Organization, on_delete=models.PROTECT, primary_key=True, related_name="+"
    )
    looked_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "portal_watch"

    def __str__(self) -> str:
        return f"{self.organization_id} at {self.looked_at}"


class MailState(models.TextChoices):
    """pending → sent | failed."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class NoticeMail(models.Model):
    """One event for one person."""

    event = models.ForeignKey(
        Event, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="notice_mails"
    )
    address = models.CharField(max_length=ADDRESS_MAX)
    state = models.CharField(max_length=10, default=MailState.PENDING)
    created_at = models.DateTimeField()
    next_at = models.DateTimeField()
    tries = models.SmallIntegerField(default=0)
    why = models.CharField(max_length=WHY_MAX, blank=True)  # it was not sent

    class Meta:
        db_table = "portal_noticemail"
        constraints = [
            models.UniqueConstraint(
                fields=["event", "address"], name="noticemail_once_each"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_at"],
                condition=models.Q(state="pending"),
                name="noticemail_due",
            ),
            models.Index(fields=["organization", "-id"], name="noticemail_latest"),
        ]

    def __str__(self) -> str:
        return f"mail {self.pk} ({self.state})"
