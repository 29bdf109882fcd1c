"""Exports that were asked for, and those that are made again and again."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.models.organization import Organization


class ExportState(models.TextChoices):
    """queued → running → ready | failed; ready → expired. Running goes back to queued
    when its worker has died."""

    QUEUED = "queued"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    EXPIRED = "expired"


class Every(models.TextChoices):
    """How often a scheduled export is made, always of the time before."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class ExportSchedule(models.Model):
    """An export that is made again and again, of the day, week or month before."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="export_schedules"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True
    )
    kind = models.CharField(max_length=20)
    format = models.CharField(max_length=10)
    every = models.CharField(max_length=5, choices=Every)
    # Whom the link is mailed to; "" for nobody.
    mail_to = models.EmailField(blank=True)
    # Whether the file is put into the operator's bucket, too.
    to_storage = models.BooleanField(default=False)
    # The first day, in the organization's time zone, of what comes next.
    next_day = models.DateField()
    # Since then who set it up may not see that any more, and nothing is exported.
    disabled_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "portal_exportschedule"

    def __str__(self) -> str:
        return f"{self.kind} every {self.every}"


class Export(models.Model):
    """One file. Its id cannot be guessed, and opens nothing by itself."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="exports"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True
    )
    schedule = models.ForeignKey(
        ExportSchedule, on_delete=models.SET_NULL, null=True, related_name="exports"
    )
    kind = models.CharField(max_length=20)
    format = models.CharField(max_length=10)
    since = models.DateTimeField()
    until = models.DateTimeField()
    state = models.CharField(max_length=10, default=ExportState.QUEUED)
    error = models.CharField(max_length=200, blank=True)
    # Which attempt writes it, and when that last said so.
    attempt = models.UUIDField(null=True)
    attempts = models.IntegerField(default=0)
    beat_at = models.DateTimeField(null=True)
    rows = models.BigIntegerField(default=0)
    rows_expected = models.BigIntegerField(default=0)
    file = models.CharField(max_length=100, blank=True)  # its name in VAR_DIR/exports
    bytes = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    # What is still to be told of it: mail, storage. Null: all is.
    to_tell = models.BooleanField(default=False)

    class Meta:
        db_table = "portal_export"
        indexes = [
            models.Index(fields=["organization", "-created_at"], name="export_latest"),
            models.Index(
                fields=["created_at"],
                condition=Q(state__in=["queued", "running"]),
                name="export_unfinished",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(since__lt=models.F("until")), name="export_of_some_time"
            ),
            models.UniqueConstraint(
                fields=["schedule", "since"], name="export_once_of_each_schedule"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} as {self.format} ({self.state})"
