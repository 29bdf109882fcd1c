"""Calls that the gateway refused before they began: how many, and the latest of them.

Gateway processes write both now and then, beside their calls, so they may miss the last
seconds of one that was killed; nothing is charged by them. Their size is bounded, and
they are deleted when they are old (`tenants/refused.py`).
"""

from __future__ import annotations

from django.db import models

from portal.models.organization import Organization


class RefusedCount(models.Model):
    """So many refusals of one code in a quarter of an hour, of one key while somebody
    held it. Ids are the ledger's; 0 where there is none, or where these are the rest of
    an organization that has too many rows."""

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    starts_at = models.DateTimeField(db_index=True)
    spender_id = models.BigIntegerField()  # the first of those that are one key
    holder_id = models.BigIntegerField()
    code = models.CharField(max_length=40)
    requests = models.BigIntegerField()

    class Meta:
        db_table = "portal_refusedcount"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "starts_at", "spender_id", "holder_id", "code"],
                name="refusedcount_once_each",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.requests} x {self.code}"


class RefusedRequest(models.Model):
    """One of a key's latest refusals, as its client was told. What was asked is not
    stored."""

    id = models.UUIDField(primary_key=True)  # of its x-request-id
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    at = models.DateTimeField(db_index=True)
    spender_id = models.BigIntegerField()
    holder_id = models.BigIntegerField()
    code = models.CharField(max_length=40)
    status = models.PositiveSmallIntegerField()
    message = models.CharField(max_length=600)
    operation = models.CharField(max_length=40)
    model = models.CharField(max_length=200)

    class Meta:
        db_table = "portal_refusedrequest"
        indexes = [
            models.Index(
                fields=["organization", "at", "id"], name="refusedrequest_by_time"
            ),
            models.Index(fields=["spender_id", "at"], name="refusedrequest_by_key"),
        ]

    def __str__(self) -> str:
        return self.request_id

    @property
    def request_id(self) -> str:
        return f"req_{self.id.hex}"
