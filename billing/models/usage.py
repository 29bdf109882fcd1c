"""What calls used: a record each, its breakdown, and sums of 15 minutes."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from billing.models.account import UNCHECKED, Account, Spender, Unit
from billing.models.caller import CLIENT_MAX, Caller
from billing.models.hold import Hold


class Basis(models.TextChoices):
    """Where a charge comes from."""

    UPSTREAM = "upstream"  # the upstream's own `credits_used`
    COMPUTED = "computed"  # tariff × units that the upstream reported
    ESTIMATED = "estimated"  # tariff × units that we counted
    IN_DOUBT = "in_doubt"  # nobody knows; resolved by rule, listed


class UsageRecord(Caller):
    """One finished call. price = charged + absorbed, always, in microcredits."""

    hold = models.OneToOneField(
        Hold,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="usage",
        db_constraint=False,
    )
    account = models.ForeignKey(Account, **UNCHECKED)
    spender = models.ForeignKey(Spender, **UNCHECKED)
    operation = models.CharField(max_length=32)
    model = models.CharField(max_length=200)
    basis = models.CharField(max_length=10)
    # The cost that the upstream named, before the organization's factor; null: none.
    upstream_micros = models.BigIntegerField(null=True)
    price_micros = models.BigIntegerField()
    charged_micros = models.BigIntegerField()
    absorbed_micros = models.BigIntegerField(default=0)
    prompt_tokens = models.BigIntegerField(default=0)
    completion_tokens = models.BigIntegerField(default=0)
    upstream_id = models.CharField(max_length=128, blank=True)
    streamed = models.BooleanField(default=False)
    duration_ms = models.IntegerField(default=0)
    # Space-separated remarks, e.g. "hold_overrun usage_invalid client_gone".
    flags = models.CharField(max_length=200, blank=True)
    settled_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(charged_micros__gte=0, absorbed_micros__gte=0)
                & Q(price_micros=F("charged_micros") + F("absorbed_micros")),
                name="usagerecord_price_is_charged_plus_absorbed",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-settled_at"], name="usagerecord_latest"),
        ]

    def __str__(self) -> str:
        return f"usage of {self.hold_id}"


class UsageComponent(models.Model):
    """One line of the upstream's `credits_breakdown`, before the factor."""

    pk = models.CompositePrimaryKey("usage_id", "name")
    usage = models.ForeignKey(UsageRecord, related_name="components", **UNCHECKED)
    name = models.CharField(max_length=64)
    upstream_micros = models.BigIntegerField()

    def __str__(self) -> str:
        return self.name


class UsageRollup(models.Model):
    """Sums of a quarter of an hour, kept in the settlement's own transaction.

    Not of an hour: days begin at half past in India, and at a quarter to in Nepal.
    """

    account = models.ForeignKey(Account, **UNCHECKED)
    starts_at = models.DateTimeField()
    spender = models.ForeignKey(Spender, **UNCHECKED)
    project = models.ForeignKey(Unit, related_name="+", null=True, **UNCHECKED)
    holder = models.ForeignKey(Unit, related_name="+", null=True, **UNCHECKED)
    operation = models.CharField(max_length=32)
    model = models.CharField(max_length=200)
    client = models.CharField(max_length=CLIENT_MAX, blank=True)
    basis = models.CharField(max_length=10)
    requests = models.BigIntegerField()
    prompt_tokens = models.BigIntegerField()
    completion_tokens = models.BigIntegerField()
    price_micros = models.BigIntegerField()
    charged_micros = models.BigIntegerField()
    absorbed_micros = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                *("account", "starts_at", "spender"),
                # Two nulls are the same group, too.
                *(Coalesce("project_id", 0), Coalesce("holder_id", 0)),
                *("operation", "model", "client", "basis"),
                name="usagerollup_one_per_quarter_and_group",
            ),
        ]
        indexes = [
            # When it was last used, and what it has spent.
            models.Index(fields=["spender", "starts_at"], name="usagerollup_spender"),
            # What the operator bore in a day (`billing.ledger.learned`).
            models.Index(
                fields=["starts_at"],
                condition=Q(absorbed_micros__gt=0),
                name="usagerollup_borne",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.starts_at} {self.model}"
