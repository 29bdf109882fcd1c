"""Transfers and their two entries: append-only, triggers refuse update and delete."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from billing.models.account import UNCHECKED, Account


class TransferKind(models.TextChoices):
    """What moved the credits."""

    GRANT = "grant"  # issuance → organization
    USAGE = "usage"  # organization → its usage account
    ABSORB = "absorb"  # absorbed → the organization's usage account
    EXPIRE = "expire"  # organization → expiry


class Transfer(models.Model):
    """One movement between two accounts. Corrections are new transfers."""

    id = models.UUIDField(primary_key=True)
    kind = models.CharField(max_length=16)
    source = models.ForeignKey(Account, related_name="+", **UNCHECKED)
    destination = models.ForeignKey(Account, related_name="+", **UNCHECKED)
    amount_micros = models.BigIntegerField()
    # The idempotency key: what this transfer is for, e.g. "usage:<hold id>".
    reference = models.CharField(max_length=200, unique=True)
    # Digest of the input behind `reference`: same reference, other input, conflict.
    fingerprint = models.CharField(max_length=64, blank=True)
    # The call this transfer pays for; not a foreign key, so that transfers can be kept
    # longer than holds.
    hold_id = models.UUIDField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_micros__gt=0), name="transfer_amount_positive"
            ),
            models.CheckConstraint(
                condition=~Q(source=F("destination")),
                name="transfer_between_two_accounts",
            ),
        ]

    def __str__(self) -> str:
        return self.reference


class Entry(models.Model):
    """One side of a transfer, with the balance it left and its place in line."""

    pk = models.CompositePrimaryKey("account_id", "version")
    account = models.ForeignKey(Account, **UNCHECKED)
    version = models.BigIntegerField()
    transfer = models.ForeignKey(Transfer, related_name="entries", **UNCHECKED)
    amount_micros = models.BigIntegerField()  # signed: what the account gained
    balance_after_micros = models.BigIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(amount_micros=0), name="entry_amount_not_zero"
            ),
        ]

    def __str__(self) -> str:
        return f"entry {self.version} of account {self.account_id}"
