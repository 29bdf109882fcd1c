"""What a key may read beyond its own calls, where somebody allowed it."""

from __future__ import annotations

from django.db import models

from portal.models.api_key import ApiKey


class KeyRights(models.Model):
    """Of one key; a key without a row has none of these."""

    key = models.OneToOneField(
        ApiKey, on_delete=models.PROTECT, primary_key=True, related_name="rights"
    )
    # What the organization has: its balance, held, owed, what of it expires.
    sees_balance = models.BooleanField(default=False)
    # What all keys of its project used.
    sees_project = models.BooleanField(default=False)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "portal_keyrights"

    def __str__(self) -> str:
        return f"rights of {self.key}"
