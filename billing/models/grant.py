"""Grants: credits given or bought, kept as lots that are burned in order."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from billing.models.account import Account
from billing.models.transfer import Transfer


class GrantSource(models.TextChoices):
    """Why credits were issued. Promotional ones burn before paid ones."""

    PURCHASE = "purchase"
    PROMOTION = "promotion"
    TRIAL = "trial"
    ADJUSTMENT = "adjustment"
    REFUND = "refund"


class Grant(models.Model):
    """One lot: `remaining_micros` of it is left, `held_micros` of that is pinned."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    transfer = models.OneToOneField(Transfer, on_delete=models.PROTECT)
    source = models.CharField(max_length=16)
    reason = models.CharField(max_length=200, blank=True)
    # Lower burns first; equal priorities burn by expiry, promotions first, oldest.
    priority = models.SmallIntegerField(default=50)
    amount_micros = models.BigIntegerField()
    remaining_micros = models.BigIntegerField()
    held_micros = models.BigIntegerField(default=0)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_micros__gt=0), name="grant_amount_positive"
            ),
            models.CheckConstraint(
                condition=Q(held_micros__gte=0)
                & Q(remaining_micros__gte=F("held_micros"))
                & Q(amount_micros__gte=F("remaining_micros")),
                name="grant_held_within_remaining_within_amount",
            ),
        ]
        indexes = [
            # The lots a hold looks at; spent ones leave the index.
            models.Index(
                fields=["account"],
                condition=Q(remaining_micros__gt=0),
                name="grant_with_credits",
            ),
            models.Index(
                fields=["expires_at"],
                condition=Q(remaining_micros__gt=0, expires_at__isnull=False),
                name="grant_to_expire",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} of {self.amount_micros} micros"
