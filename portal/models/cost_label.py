"""Where the cost of a project or of a key belongs, in the customer's own books."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from portal.models.api_key import ApiKey
from portal.models.organization import Organization, Project

CENTER_MAX = 64


class CostLabel(models.Model):
    """Of one project, or of one key; a key's goes before its project's."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="cost_labels"
    )
    project = models.OneToOneField(
        Project, on_delete=models.PROTECT, null=True, related_name="cost_label"
    )
    key = models.OneToOneField(
        ApiKey, on_delete=models.PROTECT, null=True, related_name="cost_label"
    )
    cost_center = models.CharField(max_length=CENTER_MAX, blank=True)
    tags = models.JSONField(default=dict)  # names and values, texts

    class Meta:
        db_table = "portal_costlabel"
        constraints = [
            models.CheckConstraint(
                condition=Q(project__isnull=True) ^ Q(key__isnull=True),
                name="costlabel_of_a_project_or_a_key",
            ),
        ]

    def __str__(self) -> str:
        return self.cost_center
