"""What calls taught about the tariff, and what is refused until the operator looks."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from billing.models.account import Account


class LearnedBound(models.Model):
    """How much more than the tariff says calls of one kind and size may cost. It only
    rises, until the operator forgets it. `billing.pricing.lessons` says what each
    figure means."""

    operation = models.CharField(max_length=32)
    model = models.CharField(max_length=200)
    # The digest of its row of the tariff, then words: "5f3a9c01 web_search images".
    shape = models.CharField(max_length=80, blank=True)
    size = models.SmallIntegerField(default=0)
    factor_ppb = models.BigIntegerField(default=1_000_000_000)
    lessons = models.IntegerField(default=0)
    # No call of this kind has cost anything yet.
    is_free = models.BooleanField(default=False)
    # Calls that cost more than was held for them, and what of that nobody paid.
    overruns = models.BigIntegerField(default=0)
    borne_micros = models.BigIntegerField(default=0)
    learned_at = models.DateTimeField()  # the latest of it

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["operation", "model", "shape", "size"],
                name="learnedbound_one_per_kind_and_size",
            ),
            models.CheckConstraint(
                condition=Q(
                    factor_ppb__gte=1_000_000_000,
                    lessons__gte=0,
                    overruns__gte=0,
                    borne_micros__gte=0,
                ),
                name="learnedbound_never_below_the_tariff",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.model} {self.shape} {self.size}"


class Pause(models.Model):
    """An organization, or a model of an operation, whose new calls are refused: the
    operator bore more for it in a day than he said. He ends it when he has looked."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True)
    operation = models.CharField(max_length=32, blank=True)
    model = models.CharField(max_length=200, blank=True)
    borne_micros = models.BigIntegerField()  # on that day until then
    paused_at = models.DateTimeField()
    # When it was written into the audit trail.
    told_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)
    # Borne on the day of its release until then: does not count again.
    accepted_micros = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(account__isnull=False, operation="", model="")
                | (Q(account__isnull=True) & ~Q(operation="")),
                name="pause_of_an_organization_or_a_model",
            ),
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(released_at__isnull=True, account__isnull=False),
                name="pause_one_per_organization",
            ),
            models.UniqueConstraint(
                fields=["operation", "model"],
                condition=Q(released_at__isnull=True, account__isnull=True),
                name="pause_one_per_model",
            ),
        ]
        indexes = [
            # Every hold reads the ones that stand: a few, or none.
            models.Index(
                fields=["paused_at"],
                condition=Q(released_at__isnull=True),
                name="pause_standing",
            ),
            models.Index(
                fields=["released_at"],
                condition=Q(released_at__isnull=False),
                name="pause_released",
            ),
        ]

    def __str__(self) -> str:
        return f"pause {self.pk} of {self.model or self.account_id}"
