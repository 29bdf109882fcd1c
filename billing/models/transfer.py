"""Transfers and their two entries: append-only, triggers refuse update and delete."""

from __future__ import annotations

from functools import reduce
from operator import or_

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from billing.models.account import UNCHECKED, Account, AccountKind


class TransferKind(models.TextChoices):
    """What moved the credits; `ENDS` says between which accounts."""

    GRANT = "grant"  # issuance → organization
    USAGE = "usage"  # organization → its usage account
    ABSORB = "absorb"  # absorbed → the organization's usage account
    EXPIRE = "expire"  # organization → expiry
    REFUND = "refund"  # the organization's usage account → organization
    RELIEF = "relief"  # the organization's usage account → absorbed
    CREDIT = "credit"  # adjustment → organization
    DEBIT = "debit"  # organization → adjustment
    REVERSAL = "reversal"  # organization → issuance: what is left of a grant
    CLAWBACK = "clawback"  # organization → issuance: out of any grant
    DEBT = "debt"  # the organization's debt → issuance: what it did not have
    REPAYMENT = "repayment"  # organization → its debt
    WRITE_OFF = "write_off"  # adjustment → the organization's debt


# Source and destination of each kind. Both are of one tenant, or one is the operator's.
ENDS = {
    TransferKind.GRANT: (AccountKind.ISSUANCE, AccountKind.ORGANIZATION),
    TransferKind.USAGE: (AccountKind.ORGANIZATION, AccountKind.USAGE),
    TransferKind.ABSORB: (AccountKind.ABSORBED, AccountKind.USAGE),
    TransferKind.EXPIRE: (AccountKind.ORGANIZATION, AccountKind.EXPIRY),
    TransferKind.REFUND: (AccountKind.USAGE, AccountKind.ORGANIZATION),
    TransferKind.RELIEF: (AccountKind.USAGE, AccountKind.ABSORBED),
    TransferKind.CREDIT: (AccountKind.ADJUSTMENT, AccountKind.ORGANIZATION),
    TransferKind.DEBIT: (AccountKind.ORGANIZATION, AccountKind.ADJUSTMENT),
    TransferKind.REVERSAL: (AccountKind.ORGANIZATION, AccountKind.ISSUANCE),
    TransferKind.CLAWBACK: (AccountKind.ORGANIZATION, AccountKind.ISSUANCE),
    TransferKind.DEBT: (AccountKind.DEBT, AccountKind.ISSUANCE),
    TransferKind.REPAYMENT: (AccountKind.ORGANIZATION, AccountKind.DEBT),
    TransferKind.WRITE_OFF: (AccountKind.ADJUSTMENT, AccountKind.DEBT),
}
TENANTS = (
    AccountKind.ORGANIZATION.value,
    AccountKind.USAGE.value,
    AccountKind.DEBT.value,
)


def _is_typed(kind: TransferKind) -> Q:
    source, destination = ENDS[kind]
    found = Q(
        kind=kind.value, source_kind=source.value, destination_kind=destination.value
    )
    for side, of in (("source", source), ("destination", destination)):
        found &= Q(**{f"{side}_tenant_id__isnull": of.value not in TENANTS})
    if source.value in TENANTS and destination.value in TENANTS:
        found &= Q(source_tenant_id=F("destination_tenant_id"))
    return found


class Transfer(models.Model):
    """One movement between two accounts. Corrections are new transfers."""

    id = models.UUIDField(primary_key=True)
    kind = models.CharField(max_length=16)
    source = models.ForeignKey(Account, related_name="+", **UNCHECKED)
    destination = models.ForeignKey(Account, related_name="+", **UNCHECKED)
    # Of both accounts, copied under their locks, so that a CHECK can compare them.
    source_kind = models.CharField(max_length=16)
    source_tenant_id = models.BigIntegerField(null=True)
    destination_kind = models.CharField(max_length=16)
    destination_tenant_id = models.BigIntegerField(null=True)
    amount_micros = models.BigIntegerField()
    # The idempotency key: what this transfer is for, e.g. "usage:<hold id>".
    reference = models.CharField(max_length=200, unique=True)
    # Digest of the input behind `reference`: same reference, other input, conflict.
    fingerprint = models.CharField(max_length=64, blank=True)
    # The call this transfer pays for; not a foreign key, so that transfers can be kept
    # longer than holds.
    hold_id = models.UUIDField(null=True)
    # What this transfer carries out: a second word on that call (null: the first), or
    # where there is no call, an amendment.
    correction_id = models.UUIDField(null=True)
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
            models.CheckConstraint(
                condition=reduce(or_, map(_is_typed, TransferKind)),
                name="transfer_fits_its_kind",
            ),
        ]
        indexes = [
            # Whatever is not a call's first price: few rows of a large table, for who
            # explains a balance. A settlement writes nothing here.
            models.Index(
                Coalesce("source_tenant_id", "destination_tenant_id"),
                "created_at",
                condition=~Q(kind__in=["usage", "absorb"])
                | Q(correction_id__isnull=False),
                name="transfer_beside_calls",
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
