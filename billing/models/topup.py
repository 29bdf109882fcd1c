"""Top-ups: credits that an organization buys, from the order to the grant and back."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from billing.models.account import UNCHECKED, Account
from billing.models.grant import Grant


class TopUpStatus(models.TextChoices):
    """Where a top-up stands. It follows from the row's other columns: what the provider
    has said, in whatever order."""

    PENDING = "pending"
    PAID = "paid"
    FAILED = "failed"  # declined, or refused by the operator
    EXPIRED = "expired"  # nobody paid in time
    REFUNDED = "refunded"  # all of it
    DISPUTED = "disputed"  # the payer's bank takes it back, or may


class ProviderName(models.TextChoices):
    """Who takes the money."""

    STRIPE = "stripe"
    MANUAL = "manual"  # a bank transfer, which the operator approves


class Dispute(models.TextChoices):
    """What is known of a dispute; of one what comes later in this list stands."""

    NONE = ""
    OPEN = "open"
    WON = "won"
    LOST = "lost"


class TopUp(models.Model):
    """One order of credits. Amounts of money are in minor units of `currency`."""

    id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(Account, related_name="+", **UNCHECKED)
    provider = models.CharField(max_length=16)
    status = models.CharField(max_length=16, default=TopUpStatus.PENDING)
    # --- what was ordered ---
    # Of the caller, once in an account; and a digest of what he asked for with it.
    idempotency_key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    pack = models.CharField(max_length=40, blank=True)  # empty: an amount of choice
    amount_micros = models.BigIntegerField()  # microcredits
    price_minor = models.BigIntegerField()  # without tax
    tax_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    is_automatic = models.BooleanField(default=False)
    saves_method = models.BooleanField(default=False)  # for automatic ones later
    asked_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    # --- the provider's side ---
    attempt = models.SmallIntegerField(default=1)  # part of his idempotency key
    provider_ref = models.CharField(max_length=255, blank=True)  # session, or payment
    pay_url = models.TextField(blank=True)
    payment_ref = models.CharField(max_length=255, blank=True)  # what paid it
    # --- what he has said of it ---
    paid_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    expired_at = models.DateTimeField(null=True)
    refunded_minor = models.BigIntegerField(default=0)  # in sum
    disputes = models.JSONField(default=list)  # [[name, state, amount], …] by name
    dispute = models.CharField(max_length=8, blank=True)  # of all of them
    disputed_minor = models.BigIntegerField(default=0)  # what the bank has taken
    reason = models.CharField(max_length=200, blank=True)  # why it failed
    # --- what it did to the ledger ---
    grant = models.OneToOneField(
        Grant, on_delete=models.PROTECT, related_name="+", null=True
    )
    taken_micros = models.BigIntegerField(default=0)  # of its credits, taken back
    changes = models.SmallIntegerField(default=0)  # amendments so far
    # --- the receipt ---
    receipt_number = models.BigIntegerField(null=True, unique=True)
    buyer_name = models.CharField(max_length=200, blank=True)
    buyer_address = models.CharField(max_length=500, blank=True)
    buyer_tax_id = models.CharField(max_length=64, blank=True)
    # --- when the provider is asked again ---
    looks = models.SmallIntegerField(default=0)
    look_at = models.DateTimeField(null=True)
    # Over all columns but this, the two before and `pay_url`: a changed row is found.
    seal = models.UUIDField()

    is_repeat = False  # not stored: whether `topups.start` found it there already

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "idempotency_key"], name="topup_once_for_each_key"
            ),
            models.UniqueConstraint(
                fields=["provider", "provider_ref"],
                condition=~Q(provider_ref=""),
                name="topup_of_each_provider_ref",
            ),
            models.UniqueConstraint(
                fields=["provider", "payment_ref"],
                condition=~Q(payment_ref=""),
                name="topup_of_each_payment",
            ),
            models.CheckConstraint(
                condition=Q(amount_micros__gt=0, price_minor__gt=0, tax_minor__gte=0),
                name="topup_amounts_positive",
            ),
            models.CheckConstraint(
                condition=Q(taken_micros__gte=0, amount_micros__gte=F("taken_micros")),
                name="topup_takes_back_what_it_gave",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=["pending", "failed", "expired"],
                    paid_at__isnull=True,
                    grant__isnull=True,
                    receipt_number__isnull=True,
                )
                | Q(
                    status__in=["paid", "refunded", "disputed"],
                    paid_at__isnull=False,
                    grant__isnull=False,
                    receipt_number__isnull=False,
                ),
                name="topup_gives_credits_when_paid",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "created_at"], name="topup_of_account"),
            models.Index(
                fields=["look_at"],
                condition=Q(look_at__isnull=False),
                name="topup_to_look_at",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} {self.status}"

    @property
    def public_id(self) -> str:
        """As people, programs and the provider know it."""
        return f"topup_{self.id.hex}"

    @property
    def total_minor(self) -> int:
        """What is paid: the price and its tax."""
        return self.price_minor + self.tax_minor

    @property
    def is_paid(self) -> bool:
        """Whether it has a receipt, whatever became of it later."""
        return self.paid_at is not None
