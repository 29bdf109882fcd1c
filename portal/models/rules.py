"""What the calls below an organization, a project, a member or a key must keep to."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from billing.models import Unit
from portal.models.api_key import ApiKey
from portal.models.organization import Organization


class Rules(models.Model):
    """Limits of rate (null: none) and allow-lists ("": everything) of one subject.

    The subject is a key, or a unit of the ledger's (a project, or whoever holds keys:
    a member, a service account), or without both the organization. A call must pass
    the rules of all that stand above it. Budgets are the ledger's own.
    """

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="rules"
    )
    unit = models.OneToOneField(Unit, on_delete=models.PROTECT, null=True)
    api_key = models.OneToOneField(ApiKey, on_delete=models.PROTECT, null=True)
    requests_per_minute = models.BigIntegerField(null=True)
    tokens_per_minute = models.BigIntegerField(null=True)
    calls_at_once = models.BigIntegerField(null=True)
    # Each a list with commas: patterns of models, names of operations, IP networks.
    model_patterns = models.TextField(blank=True)
    operations = models.TextField(blank=True)
    networks = models.TextField(blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "portal_rules"
        constraints = [
            models.CheckConstraint(
                condition=Q(unit__isnull=True) | Q(api_key__isnull=True),
                name="rules_of_one_subject",
            ),
            models.UniqueConstraint(
                fields=["organization"],
                condition=Q(unit__isnull=True, api_key__isnull=True),
                name="rules_of_an_organization_once",
            ),
            models.CheckConstraint(
                condition=(
                    Q(requests_per_minute__isnull=True) | Q(requests_per_minute__gte=1)
                )
                & (Q(tokens_per_minute__isnull=True) | Q(tokens_per_minute__gte=1))
                & (Q(calls_at_once__isnull=True) | Q(calls_at_once__gte=1)),
                name="rules_rates_at_least_one",
            ),
        ]

    def __str__(self) -> str:
        return f"rules of {self.api_key or self.unit or self.organization}"
