"""Requests about runs that may be sent again, so that each is done once."""

from __future__ import annotations

from django.db import models

from portal.models.organization import Organization


class RunRequest(models.Model):
    """One that came with an Idempotency-Key. Written with what it did."""

    # Digests: of who asked where under which key, and of what was asked.
    id = models.CharField(primary_key=True, max_length=64)
    content = models.CharField(max_length=64)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    envelope_id = models.UUIDField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "portal_runrequest"

    def __str__(self) -> str:
        return f"request about env_{self.envelope_id.hex}"
