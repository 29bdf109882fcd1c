"""Somebody asks for more of a budget than it has, for a time."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing.models import Budget, BudgetRaise
from portal.models.organization import Organization


class RequestState(models.TextChoices):
    """pending → granted | refused."""

    PENDING = "pending"
    GRANTED = "granted"
    REFUSED = "refused"


class RaiseRequest(models.Model):
    """What was asked, by whom and why, and what became of it."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="raise_requests"
    )
    budget = models.ForeignKey(Budget, on_delete=models.PROTECT)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    micros = models.BigIntegerField()
    until = models.DateTimeField()
    reason = models.CharField(max_length=500)
    state = models.CharField(max_length=8, default=RequestState.PENDING)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    answer = models.CharField(max_length=500, blank=True)  # why it was refused
    granted = models.OneToOneField(BudgetRaise, on_delete=models.PROTECT, null=True)
    asked_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "portal_raiserequest"
        constraints = [
            models.CheckConstraint(
                condition=Q(micros__gte=1, micros__lte=10**15),
                name="raiserequest_in_range",
            ),
            models.CheckConstraint(
                condition=Q(
                    state="pending", decided_at__isnull=True, granted__isnull=True
                )
                | Q(state="granted", decided_at__isnull=False, granted__isnull=False)
                | Q(state="refused", decided_at__isnull=False, granted__isnull=True)
                & ~Q(answer=""),
                name="raiserequest_is_decided_once",
            ),
            models.UniqueConstraint(
                fields=["budget", "asked_by"],
                condition=Q(state="pending"),
                name="raiserequest_one_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asked_by} asks for more of {self.budget} ({self.state})"
