"""An API key: only its digest is kept, and a few clear characters to know it by."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models

from billing.models import Spender
from portal.models.organization import Organization, Project, ServiceAccount


class ApiKey(models.Model):
    """A credential of one project, held by a member or a service account. `spender` is
    its face in the ledger, and names the units of both.

    Whether it may spend (revoked? expired? its holder disabled?) is the spender's
    business, because the hold's own transaction reads it there; this row only
    remembers when and why.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="api_keys"
    )
    project = models.ForeignKey(
        Project, on_delete=models.PROTECT, related_name="api_keys"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True
    )
    spender = models.OneToOneField(Spender, on_delete=models.PROTECT)
    # Null: a member holds it, the one whose unit is the spender's holder.
    service_account = models.ForeignKey(
        ServiceAccount, on_delete=models.PROTECT, null=True, related_name="api_keys"
    )
    name = models.CharField(max_length=100)
    public_id = models.CharField(max_length=8)
    last4 = models.CharField(max_length=4)
    digest = models.CharField(max_length=64, unique=True)  # SHA-256, hexadecimal
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    rotated_from = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True
    )

    class Meta:
        db_table = "portal_apikey"
        indexes = [
            models.Index(fields=["organization", "-created_at"], name="apikey_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint})"

    @property
    def hint(self) -> str:
        """What may be shown of the key: enough to know it, useless to spend."""
        return f"tg_live_{self.public_id}…{self.last4}"

    @property
    def expires_at(self) -> datetime | None:
        return self.spender.closes_at

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at is not None
