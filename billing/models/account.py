"""Accounts, where credits are; spenders, who may draw on one."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q

# For references in the tables that every call writes to (hold.py, transfer.py and
# usage.py). They have no foreign keys in the database: what they refer to was read
# under lock a moment before, rows they refer to are never deleted, and `verify_ledger`
# looks for any that is missing. Checking sixteen of them cost a call two fifths of its
# time on PostgreSQL.
UNCHECKED: dict[str, Any] = {
    "on_delete": models.PROTECT,
    "db_index": False,
    "db_constraint": False,
}

LABEL_MAX = 254  # an address is a member's name


class AccountKind(models.TextChoices):
    """What an account stands for. Credits of customers: ORGANIZATION only."""

    ORGANIZATION = "organization"
    USAGE = "usage"  # what one organization has consumed
    ISSUANCE = "issuance"  # where granted credits come from
    EXPIRY = "expiry"  # where lapsed credits go
    ABSORBED = "absorbed"  # what the operator bears when a charge exceeds its hold
    ADJUSTMENT = "adjustment"  # what the operator gave, less what he took, by his word
    DEBT = "debt"  # what one organization owes, below zero


class Account(models.Model):
    """A balance in microcredits, the sum of its entries.

    An organization has two: its credits, and `usage_account`, where what it
    consumed is posted. One usage account for everybody would be a row that every
    settlement of every tenant waits for.
    """

    kind = models.CharField(max_length=16)
    label = models.CharField(max_length=200)
    usage_account = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True
    )
    is_open = models.BooleanField(default=True)
    # Parts per million of the upstream's price: 1_200_000 sells at cost + 20 %.
    price_factor_ppm = models.BigIntegerField(default=1_000_000)
    balance_micros = models.BigIntegerField(default=0)
    held_micros = models.BigIntegerField(default=0)
    # What the organization owes: its debt account's balance, without the sign. A hold
    # reads it here. The debt account is opened with the first debt (`billing.debts`).
    owed_micros = models.BigIntegerField(default=0)
    version = models.BigIntegerField(default=0)
    # Whose it is: the organization's own account. Null: the operator's.
    tenant = models.ForeignKey("self", related_name="+", null=True, **UNCHECKED)
    # Time never runs back inside an account, whatever a clock says.
    last_entry_at = models.DateTimeField(null=True)
    # How many acts there are (`act.py`), and the chain's last link; null: none yet.
    acts = models.BigIntegerField(default=0)
    chain = models.UUIDField(null=True)
    # Where its days begin: a name of the IANA's.
    time_zone = models.CharField(max_length=64, default="UTC")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(kind="organization") | Q(balance_micros__gte=0),
                name="account_organization_balance_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(held_micros__gte=0), name="account_held_not_negative"
            ),
            models.CheckConstraint(
                condition=~Q(kind="organization")
                | Q(balance_micros__gte=F("held_micros")),
                name="account_balance_covers_held",
            ),
            models.CheckConstraint(
                condition=Q(price_factor_ppm__gt=0),
                name="account_price_factor_positive",
            ),
            models.CheckConstraint(
                condition=~Q(kind="organization") | Q(usage_account__isnull=False),
                name="account_organization_has_usage_account",
            ),
            models.CheckConstraint(
                # Null for the moment between its insertion and its first update.
                condition=~Q(kind="organization")
                | Q(tenant__isnull=True)
                | Q(tenant=F("id")),
                name="account_organization_is_its_own_tenant",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["organization", "usage", "debt"])
                | Q(tenant__isnull=True),
                name="account_of_the_operator_has_no_tenant",
            ),
            models.UniqueConstraint(
                fields=["kind"],
                condition=Q(kind__in=["issuance", "expiry", "absorbed", "adjustment"]),
                name="account_one_of_each_system_kind",
            ),
            models.UniqueConstraint(
                fields=["tenant"],
                condition=Q(kind="debt"),
                name="account_one_debt_of_each_tenant",
            ),
            models.CheckConstraint(
                condition=~Q(kind="debt")
                | Q(balance_micros__lte=0, tenant__isnull=False),
                name="account_debt_is_somebodys_and_no_credit",
            ),
            models.CheckConstraint(
                condition=Q(owed_micros=0) | Q(owed_micros__gt=0, kind="organization"),
                name="account_owed_by_organizations_only",
            ),
        ]
        indexes = [
            # The few that owe; each sweep asks for them.
            models.Index(
                fields=["id"], condition=Q(owed_micros__gt=0), name="account_owing"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.label}"


class UnitKind(models.TextChoices):
    """What a unit stands for, in the portal's words."""

    PROJECT = "project"
    MEMBER = "member"
    SERVICE_ACCOUNT = "service_account"


class Unit(models.Model):
    """What stands between an account and its spenders: a project, and whoever holds
    the key, a member or a service account. `label` is its name of now.

    A hold reads it with its spender, so what is closed is refused on the very next
    call. A row here is never deleted: usage records point at it for ever.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    kind = models.CharField(max_length=16)
    label = models.CharField(max_length=LABEL_MAX)
    is_open = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=UnitKind.values), name="unit_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.label}"


class Spender(models.Model):
    """Who draws on an account, as the ledger knows him: an API key.

    A hold reads this row in its own transaction, so a closed spender is refused
    on its very next call, whatever any process has cached. A row here is never
    deleted: usage records point at it for ever.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    label = models.CharField(max_length=200)
    is_open = models.BooleanField(default=True)
    closes_at = models.DateTimeField(null=True, blank=True)
    # Where it spends, and who holds it: a member or a service account.
    project = models.ForeignKey(
        Unit, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    holder = models.ForeignKey(
        Unit, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    # The key of a run: whose run, and the hold that its calls are paid from.
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    envelope = models.ForeignKey(
        "billing.Hold", related_name="+", null=True, blank=True, **UNCHECKED
    )
    # The first of the keys that were rotated one into the next: what is limited for one
    # of them counts for all, under this one's name. Null: it is the first.
    counts_as = models.ForeignKey(
        "self", on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.label

    @property
    def limited_id(self) -> int:
        """By what its own limits are looked up."""
        return self.counts_as_id or self.id
