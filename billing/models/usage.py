"""What calls used: a record each, its breakdown, and hourly sums for the pages."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from billing.models.account import UNCHECKED, Account, Spender
from billing.models.hold import Hold


class Basis(models.TextChoices):
    """Where a charge comes from."""

    UPSTREAM = "upstream"  # the upstream's own `credits_used`
    COMPUTED = "computed"  # tariff × units that the upstream reported
    ESTIMATED = "estimated"  # tariff × units that we counted
    IN_DOUBT = "in_doubt"  # nobody knows; resolved by rule, listed


class UsageRecord(models.Model):
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
    """Sums of one hour, kept in the settlement's own transaction."""

    account = models.ForeignKey(Account, **UNCHECKED)
    hour = models.DateTimeField()  # start of the hour, UTC
    spender = models.ForeignKey(Spender, **UNCHECKED)
    operation = models.CharField(max_length=32)
    model = models.CharField(max_length=200)
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
                fields=["account", "hour", "spender", "operation", "model", "basis"],
                name="usagerollup_one_per_hour_and_group",
            ),
        ]
        indexes = [
            # What the operator bore in a day (`billing.ledger.learned`).
            models.Index(
                fields=["hour"],
                condition=Q(absorbed_micros__gt=0),
                name="usagerollup_borne",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.hour} {self.model}"
