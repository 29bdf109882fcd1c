"""Replies kept for a while, for clients that did not get theirs."""

from __future__ import annotations

from django.db import models

from billing.models import Account, Hold
from billing.models.account import UNCHECKED


class StoredReply(models.Model):
    """What a call answered, sealed. What became of the call is never read from here:
    its hold knows."""

    hold = models.OneToOneField(Hold, primary_key=True, **UNCHECKED)
    account = models.ForeignKey(Account, **UNCHECKED)
    status = models.SmallIntegerField()
    # Headers and body, encrypted: `proxy.idempotency.stored_replies`.
    sealed = models.BinaryField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"reply of req_{self.hold_id.hex}"
