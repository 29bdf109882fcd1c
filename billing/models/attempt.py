"""Attempts: holds of requests that their clients may send again."""

from __future__ import annotations

from django.db import models

from billing.models.account import UNCHECKED
from billing.models.hold import Hold


class Attempt(models.Model):
    """One attempt at a request, written with its hold and purged some time after it:
    no trace of what was asked stays.

    What became of it is its hold's to say; whether its client heard the answer, its
    process's.
    """

    hold = models.OneToOneField(Hold, primary_key=True, **UNCHECKED)
    # Of the request: finds its other attempts. A digest, as `content`.
    fingerprint = models.UUIDField(db_index=True)
    # Of what was asked, where the fingerprint is of a key that the client chose.
    content = models.UUIDField()
    retry_count = models.SmallIntegerField()
    # Whose answer it is now: the client's that sent it, or a retry's that joined it, by
    # the id that the retry's hold would have; and the process that this client is at.
    joined_by = models.UUIDField(null=True)
    lease_id = models.UUIDField(null=True)
    # That client has left before the answer was out. Its process says so by itself;
    # that it has nothing to say has to be asked (`billing.leases.ask`).
    is_lost = models.BooleanField(default=False)
    placed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"attempt {self.hold_id}"
