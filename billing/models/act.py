"""The chain of what was done to an account: who changes a row later breaks it."""

from __future__ import annotations

from django.db import models

from billing.models.account import UNCHECKED, Account


class ActKind(models.TextChoices):
    """What was done, once for each subject but for the last four."""

    SETTLEMENT = "settlement"  # subject: the hold
    RELEASE = "release"  # the hold
    GRANT = "grant"  # the grant's transfer
    EXPIRY = "expiry"  # the transfer
    AMENDMENT = "amendment"  # the amendment
    REPAYMENT = "repayment"  # the transfer
    CORRECTION = "correction"  # the correction, when it is posted
    DISMISSAL = "dismissal"  # the correction
    NOTE = "note"  # the correction, when it is said
    ACKNOWLEDGEMENT = "acknowledgement"  # the hold
    ENVELOPE = "envelope"  # the hold, when the run is opened


class Act(models.Model):
    """One link: a digest of all rows that the act wrote, chained to the one before.

    Append-only; the account keeps the number and the chain of its last act.
    """

    pk = models.CompositePrimaryKey("account_id", "number")
    account = models.ForeignKey(Account, **UNCHECKED)
    number = models.BigIntegerField()
    kind = models.CharField(max_length=16)
    subject_id = models.UUIDField()
    digest = models.UUIDField()  # 128 bits, as `ledger.facts` makes them
    chain = models.UUIDField()

    def __str__(self) -> str:
        return f"act {self.number} of account {self.account_id}"
