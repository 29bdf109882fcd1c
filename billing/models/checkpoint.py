"""How far an account's chain was found right, so that it need not be read again."""

from __future__ import annotations

from django.db import models

from billing.models.account import Account


class Checkpoint(models.Model):
    """The last act of an account when a whole verification found nothing wrong.

    Nothing rests on it but `verify_ledger --since-checkpoint`, and where it stands
    beside another chain than then, that is found. Whoever loses it verifies from the
    first act.
    """

    account = models.OneToOneField(
        Account, on_delete=models.PROTECT, primary_key=True, related_name="checkpoint"
    )
    number = models.BigIntegerField()
    chain = models.UUIDField()
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(number__gt=0), name="checkpoint_number_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"account {self.account_id} is right up to act {self.number}"
