"""Refunds of top-ups that the operator has asked a provider for."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from billing.models.topup import TopUp


class RefundState(models.TextChoices):
    """What the provider has answered."""

    ASKED = "asked"  # nothing yet: he is asked again, under the same key
    DONE = "done"
    REFUSED = "refused"


class TopUpRefund(models.Model):
    """Money to pay back, in minor units of the top-up's currency. Written before the
    provider hears of it. The credits follow from what he says of the payment."""

    id = models.UUIDField(primary_key=True)
    topup = models.ForeignKey(TopUp, on_delete=models.PROTECT, related_name="refunds")
    # The operator's, once of a top-up.
    reference = models.CharField(max_length=200)
    amount_minor = models.BigIntegerField()
    reason = models.CharField(max_length=200)
    asked_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    state = models.CharField(max_length=16, default=RefundState.ASKED)
    provider_ref = models.CharField(max_length=255, blank=True)
    why = models.CharField(max_length=200, blank=True)  # it is refused
    looks = models.SmallIntegerField(default=0)
    look_at = models.DateTimeField(null=True)

    is_repeat = False  # not stored: whether `refunds.order` found it there already

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["topup", "reference"], name="refund_once_for_each_reference"
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0), name="refund_amount_positive"
            ),
        ]
        indexes = [
            models.Index(
                fields=["look_at"],
                condition=Q(look_at__isnull=False),
                name="refund_to_look_at",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} {self.state}"

    @property
    def public_id(self) -> str:
        """As people and the provider know it."""
        return f"refund_{self.id.hex}"
