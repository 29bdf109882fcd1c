"""What a credit has cost, and since when."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class CreditPrice(models.Model):
    """The price of one credit beside any pack, until the next row."""

    id = models.BigAutoField(primary_key=True)
    currency = models.CharField(max_length=3)
    each = models.BigIntegerField()  # in 10^-8 of the currency's unit
    valid_from = models.DateTimeField(unique=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(each__gte=0), name="credit_price_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.each} {self.currency} from {self.valid_from}"
