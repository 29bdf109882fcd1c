"""From which addresses a key was used, for who must know what a leaked one did."""

from __future__ import annotations

from django.db import models

from portal.models.api_key import KeySecret


class KeySighting(models.Model):
    """One secret from one address: when first, when last, how many requests. Gateway
    processes write it now and then, so it may miss the last seconds of one that was
    killed; nothing is charged by it. Deleted when it is old (`tenants/sightings.py`).
    """

    secret = models.ForeignKey(
        KeySecret, on_delete=models.CASCADE, related_name="sightings", db_index=False
    )
    address = models.GenericIPAddressField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField(db_index=True)
    requests = models.BigIntegerField()

    class Meta:
        db_table = "portal_keysighting"
        constraints = [
            models.UniqueConstraint(
                fields=["secret", "address"], name="keysighting_once_each"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.secret_id} from {self.address}"
