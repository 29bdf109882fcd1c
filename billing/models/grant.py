"""Grants: credits given or bought, kept as lots that are burned in order."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models
from django.db.models import F, Q

from billing.models.account import UNCHECKED, Account
from billing.models.transfer import Transfer

_NEVER = datetime.max.replace(tzinfo=UTC)


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

    def burns_before(self) -> tuple[int, datetime, bool, int]:
        """Its place in the burn order, as `ledger.sql` has it."""
        is_paid = self.source not in (GrantSource.PROMOTION, GrantSource.TRIAL)
        return self.priority, self.expires_at or _NEVER, is_paid, self.id


class Burn(models.Model):
    """What a transfer took from a grant; less than nothing where it gave it back.

    What remains of a grant is its amount without its burns. Append-only: a refund, and
    what was paid out of which kind of credits, are derived from it.
    """

    pk = models.CompositePrimaryKey("transfer_id", "grant_id")
    transfer = models.ForeignKey(Transfer, related_name="burns", **UNCHECKED)
    grant = models.ForeignKey(Grant, related_name="burns", **UNCHECKED)
    amount_micros = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(amount_micros=0), name="burn_amount_not_zero"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_micros} of grant {self.grant_id}"
