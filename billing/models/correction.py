"""A second word on a hold that has ended, and what the operator says of doubts."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from billing.models.account import UNCHECKED, Account, Spender, Unit
from billing.models.caller import CLIENT_MAX
from billing.models.hold import Hold


class CorrectionKind(models.TextChoices):
    """Why a call's charge is not its first one any more."""

    LATE = "late"  # the call's price, said when its hold had ended
    ADJUSTMENT = "adjustment"  # the operator names another price
    REFUND = "refund"  # the operator gives some of it back, once, as a new grant


class CorrectionState(models.TextChoices):
    """pending → posted | dismissed; what is not pending never changes."""

    PENDING = "pending"
    POSTED = "posted"
    DISMISSED = "dismissed"


class Correction(models.Model):
    """What was said of a call after its end, and its usage line once it is posted.

    The hold, its usage record and its transfers stay as they are: what is posted is
    added to them.
    """

    id = models.UUIDField(primary_key=True)
    hold = models.ForeignKey(
        Hold,
        on_delete=models.PROTECT,
        related_name="corrections",
        db_constraint=False,
    )
    account = models.ForeignKey(Account, **UNCHECKED)
    spender = models.ForeignKey(Spender, **UNCHECKED)
    project = models.ForeignKey(Unit, related_name="+", null=True, **UNCHECKED)
    holder = models.ForeignKey(Unit, related_name="+", null=True, **UNCHECKED)
    client = models.CharField(max_length=CLIENT_MAX, blank=True)
    operation = models.CharField(max_length=32)
    model = models.CharField(max_length=200)
    kind = models.CharField(max_length=10)
    state = models.CharField(max_length=10, default=CorrectionState.PENDING)
    # The idempotency key: one row for each thing that was said of a call.
    reference = models.CharField(max_length=200, unique=True)
    reason = models.CharField(max_length=500, blank=True)
    basis = models.CharField(max_length=10)
    upstream_micros = models.BigIntegerField(null=True)
    # The whole price of the call; of a refund, what is given back. Null: none was
    # named, the call was only heard to be alive.
    said_micros = models.BigIntegerField(null=True)
    # What posting it added to the call's charge, and to what the operator bears.
    charged_micros = models.BigIntegerField(default=0)
    absorbed_micros = models.BigIntegerField(default=0)
    requests = models.SmallIntegerField(default=0)  # 1: nobody had counted the call
    prompt_tokens = models.BigIntegerField(default=0)
    completion_tokens = models.BigIntegerField(default=0)
    upstream_id = models.CharField(max_length=128, blank=True)
    flags = models.CharField(max_length=200, blank=True)
    noted_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)  # posted or dismissed

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in CorrectionKind])
                & Q(state__in=[state.value for state in CorrectionState]),
                name="correction_kind_and_state_known",
            ),
            models.CheckConstraint(
                condition=Q(said_micros__isnull=True) | Q(said_micros__gte=0),
                name="correction_price_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(state="posted", said_micros__isnull=False)
                | ~Q(state="posted") & Q(charged_micros=0, absorbed_micros=0),
                name="correction_moves_nothing_before_it_is_posted",
            ),
            models.CheckConstraint(
                condition=Q(state="pending", ended_at__isnull=True)
                | ~Q(state="pending") & Q(ended_at__isnull=False),
                name="correction_ends_once",
            ),
            models.UniqueConstraint(
                fields=["hold"],
                condition=Q(kind="refund"),
                name="correction_one_refund_of_each_call",
            ),
        ]
        indexes = [
            models.Index(
                fields=["noted_at"],
                condition=Q(state="pending"),
                name="correction_pending",
            ),
            # What was booked in a range of time (`billing.reports.usage`).
            models.Index(
                fields=["account", "ended_at"],
                condition=Q(state="posted"),
                name="correction_booked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} word on {self.hold_id} ({self.state})"


class Acknowledgement(models.Model):
    """The operator has seen that nobody knows a call's price: no warning any more."""

    hold = models.OneToOneField(
        Hold,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="acknowledgement",
        db_constraint=False,
    )
    reason = models.CharField(max_length=500)
    noted_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"doubt of {self.hold_id} acknowledged"
