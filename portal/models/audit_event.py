"""Who did what, when: append-only, written in the same transaction as the change."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from portal.models.organization import Organization


class AuditEvent(models.Model):
    """One mutating action. `detail` never holds a secret."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, null=True, related_name="audit_events"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True
    )
    # The actor's name at the time: outlives the account, and names the system too.
    actor_label = models.CharField(max_length=254)
    action = models.CharField(max_length=64)  # e.g. "api_key.revoke"
    target = models.CharField(max_length=200, blank=True)
    detail = models.JSONField(default=dict)
    ip_address = models.GenericIPAddressField(null=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "portal_auditevent"
        indexes = [
            models.Index(fields=["organization", "-at"], name="auditevent_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor_label}"
