"""The outbox: what happened, written in the transaction in which it happened."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from billing.models.account import UNCHECKED, Account

TYPE_MAX, KEY_MAX = 40, 200


class Event(models.Model):
    """Something that a customer can be told of, once for each `key`.

    Whoever tells people and programs takes the rows that are not dispatched, and marks
    them in the transaction that writes what is to be sent.
    """

    # Events that are written together are told in the order in which they were written.
    id = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(unique=True)
    account = models.ForeignKey(Account, **UNCHECKED)
    type = models.CharField(max_length=TYPE_MAX)
    # What happened, within an account and a type: a repeat is the same event.
    key = models.CharField(max_length=KEY_MAX)
    data = models.JSONField()
    created_at = models.DateTimeField()
    dispatched_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "type", "key"], name="event_once_for_each_key"
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=Q(dispatched_at__isnull=True),
                name="event_to_dispatch",
            ),
            # What is purged, and an account's last ones.
            models.Index(fields=["account", "created_at"], name="event_of_account"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.public_id}"

    @property
    def public_id(self) -> str:
        """As receivers know it: the same in every delivery."""
        return f"evt_{self.uid.hex}"
