"""Replies kept for a while, for clients that did not get theirs."""

from __future__ import annotations

from django.db import models

from billing.models import Account


class StoredReply(models.Model):
    """What a call answered, sealed; or, under an Idempotency-Key, that it runs.

    A keyed call writes its row before its hold, so that of two at once one wins. What
    became of the call is never read from here: its hold knows.
    """

    # Of the request: `proxy.idempotency.fingerprints.Fingerprint.id`.
    fingerprint = models.UUIDField(primary_key=True)
    # Of what was asked: another request under the same key is refused.
    content_digest = models.UUIDField()
    # Its request id; not a foreign key: the row comes before the hold.
    hold_id = models.UUIDField()
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, db_index=False, db_constraint=False
    )
    # None while there is no reply to repeat.
    status = models.SmallIntegerField(null=True)
    # Headers and body, encrypted: `proxy.idempotency.stored_replies`.
    sealed = models.BinaryField(default=b"")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "proxy_storedreply"

    def __str__(self) -> str:
        return f"reply of req_{self.hold_id.hex}"
