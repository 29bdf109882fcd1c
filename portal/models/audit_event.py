"""Who did what, when: append-only, written in the same transaction as the change.

The rows of each organization are one chain, those of none another: a row's `chain` is
a hash of the row before it, its number and its own digest
(`portal/tenants/chain.py`). The database refuses to change or delete a row.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.models.organization import Organization


class AuditEvent(models.Model):
    """One mutating action. `detail` never holds a secret."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, null=True, related_name="audit_events"
    )
    # A plain number: it stays when the person is deleted, as the row must.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
    )
    # The actor's name at the time: outlives the account, and names the system too.
    actor_label = models.CharField(max_length=254)
    action = models.CharField(max_length=64)  # e.g. "api_key.revoke"
    target = models.CharField(max_length=200, blank=True)
    # With "before" and "after", the fields that differ, where something was changed.
    detail = models.JSONField(default=dict)
    ip_address = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, blank=True, default="")
    at = models.DateTimeField()
    digest = models.CharField(max_length=64, default="")  # SHA-256 of all the above
    # Place in its chain, from 1. PostgreSQL gives both when the transaction commits.
    number = models.BigIntegerField(null=True)
    chain = models.CharField(max_length=64, default="")

    class Meta:
        db_table = "portal_auditevent"
        indexes = [
            models.Index(fields=["organization", "-at"], name="auditevent_latest"),
            models.Index(
                fields=["id"],
                condition=Q(number__isnull=True),
                name="auditevent_unchained",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "number"], name="auditevent_number_once_each"
            ),
            models.UniqueConstraint(
                fields=["number"],
                condition=Q(organization__isnull=True),
                name="auditevent_number_once_of_none",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor_label}"


class AuditChain(models.Model):
    """The end of one chain: how many rows it has, and the hash of the last."""

    id = models.BigIntegerField(primary_key=True)  # of the organization; 0 for none
    number = models.BigIntegerField(default=0)
    chain = models.CharField(max_length=64, default="")

    class Meta:
        db_table = "portal_auditchain"

    def __str__(self) -> str:
        return f"{self.number} events of {self.id}"
