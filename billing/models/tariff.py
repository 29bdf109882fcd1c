"""The operator's tariff: what a call may cost at most, and what unpriced ones do."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Tariff(models.Model):
    """Rates for the models that `model` (a glob) matches, in microcredits.

    The longest matching glob wins. The charge of a call whose cost the upstream
    names does not come from here; its hold does.
    """

    operation = models.CharField(max_length=32)
    model = models.CharField(max_length=200)
    base_micros = models.BigIntegerField(default=0)
    prompt_token_micros = models.BigIntegerField(default=0)
    completion_token_micros = models.BigIntegerField(default=0)
    image_micros = models.BigIntegerField(default=0)
    web_search_micros = models.BigIntegerField(default=0)
    character_micros = models.BigIntegerField(default=0)
    second_micros = models.BigIntegerField(default=0)
    # Chosen option → parts per million of the cost of images and seconds, e.g.
    # {"4k": 4_000_000}. An option that is not here changes nothing.
    factors = models.JSONField(default=dict)
    # Costs are rounded up to a multiple of this: 1_000_000 is whole credits.
    quantum_micros = models.BigIntegerField(default=1_000_000)
    completion_tokens_max = models.IntegerField(default=131_072)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["operation", "model"], name="tariff_one_per_model"
            ),
            models.CheckConstraint(
                condition=Q(
                    base_micros__gte=0,
                    prompt_token_micros__gte=0,
                    completion_token_micros__gte=0,
                    image_micros__gte=0,
                    web_search_micros__gte=0,
                    character_micros__gte=0,
                    second_micros__gte=0,
                    quantum_micros__gt=0,
                    completion_tokens_max__gt=0,
                ),
                name="tariff_rates_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.model}"
