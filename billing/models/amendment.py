"""What the operator changes of an organization's credits, outside any call."""

from __future__ import annotations

from functools import reduce
from operator import or_

from django.db import models
from django.db.models import F, Q

from billing.models.account import UNCHECKED, Account
from billing.models.grant import Grant


class AmendmentKind(models.TextChoices):
    """Why credits come, or go."""

    CREDIT = "credit"  # the operator gives some
    DEBIT = "debit"  # the operator takes some, as far as they are there
    CLAWBACK = "clawback"  # the same; what is not there becomes debt
    WRITE_OFF = "write_off"  # debt that nobody will pay
    REVERSAL = "reversal"  # what is left of a grant is taken back
    CHARGEBACK = "chargeback"  # and what was spent of it, as by a clawback


# What each kind does to credits and to debt; the sum of both is its amount.
_GIVES = Q(moved_micros=F("amount_micros"), owed_micros=0)
_TAKES = Q(moved_micros=-F("amount_micros"), owed_micros=0)
_TAKES_OR_OWES = Q(
    moved_micros__lte=0, owed_micros=F("amount_micros") + F("moved_micros")
) & Q(owed_micros__gte=0)
_FORGIVES = Q(moved_micros=0, owed_micros=-F("amount_micros"))
_OF_NO_GRANT, _OF_A_GRANT = Q(grant__isnull=True), Q(grant__isnull=False)
EFFECTS = {
    AmendmentKind.CREDIT: _OF_NO_GRANT & _GIVES,
    AmendmentKind.DEBIT: _OF_NO_GRANT & _TAKES,
    AmendmentKind.CLAWBACK: _OF_NO_GRANT & _TAKES_OR_OWES,
    AmendmentKind.WRITE_OFF: _OF_NO_GRANT & _FORGIVES,
    AmendmentKind.REVERSAL: _OF_A_GRANT & _TAKES,
    AmendmentKind.CHARGEBACK: _OF_A_GRANT & _TAKES_OR_OWES,
}


class Amendment(models.Model):
    """One decision of the operator, carried out by transfers. Append-only."""

    id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(Account, **UNCHECKED)
    kind = models.CharField(max_length=16)
    # The idempotency key.
    reference = models.CharField(max_length=200, unique=True)
    reason = models.CharField(max_length=500)
    actor = models.CharField(max_length=200)  # the name of whoever decided
    # The grant that is taken back.
    grant = models.ForeignKey(Grant, null=True, **UNCHECKED)
    amount_micros = models.BigIntegerField()
    # What it added to the organization's credits, and to what it owes.
    moved_micros = models.BigIntegerField()
    owed_micros = models.BigIntegerField()
    noted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_micros__gt=0)
                & reduce(
                    or_,
                    (Q(kind=kind.value) & effect for kind, effect in EFFECTS.items()),
                ),
                name="amendment_does_what_its_kind_says",
            ),
        ]
        indexes = [models.Index(fields=["grant"], name="amendment_of_grant")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.amount_micros} micros"
