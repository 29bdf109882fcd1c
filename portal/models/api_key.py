"""API keys, and the secrets by which they are presented. Of a secret only the digest is
kept, and a few clear characters to know it by."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models

from billing.models import Spender
from portal.models.organization import Organization, Project, ServiceAccount


class ApiKey(models.Model):
    """A credential of one project, held by a member or a service account. It keeps its
    id, its name and its limits when its secret is rotated.

    `spender` is the face of its newest secret in the ledger, and names the units of
    project and holder. Whether it may spend (revoked? disabled? expired? its holder
    disabled?) is the spenders' business, because the hold's own transaction reads it
    there; this row only remembers when and why.
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
    # What is shown of its newest secret. A rotation keeps the first of the two.
    public_id = models.CharField(max_length=8)
    last4 = models.CharField(max_length=4)
    created_at = models.DateTimeField(auto_now_add=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "portal_apikey"
        indexes = [
            models.Index(fields=["organization", "-created_at"], name="apikey_latest"),
            models.Index(fields=["organization", "name", "id"], name="apikey_by_name"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint})"

    @property
    def hint(self) -> str:
        """What may be shown of the key: enough to know it, useless to spend."""
        return hint_of(self.public_id, self.last4)

    @property
    def expires_at(self) -> datetime | None:
        return self.spender.closes_at

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at is not None

    @property
    def is_disabled(self) -> bool:
        return self.disabled_at is not None


class KeySecret(models.Model):
    """One secret of a key. While it was rotated with an overlap a key has several that
    work; each spends by a spender of its own, which closes when its time is over, and
    all of them count as the key's first in whatever limits it (`Spender.counts_as`)."""

    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="secrets")
    spender = models.OneToOneField(
        Spender, on_delete=models.PROTECT, related_name="secret"
    )
    public_id = models.CharField(max_length=8)
    last4 = models.CharField(max_length=4)
    digest = models.CharField(max_length=64, unique=True)  # SHA-256, hexadecimal
    created_at = models.DateTimeField(auto_now_add=True)
    # Ended before its time, for good. Null: its spender says until when it works.
    closed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "portal_keysecret"

    def __str__(self) -> str:
        return self.hint

    @property
    def hint(self) -> str:
        return hint_of(self.public_id, self.last4)


def hint_of(public_id: str, last4: str) -> str:
    return f"tg_live_{public_id}…{last4}"
