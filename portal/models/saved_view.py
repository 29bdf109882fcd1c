"""A page's query string under a name: what somebody looks at often."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.models.organization import Organization

QUERY_MAX = 2000


class SavedView(models.Model):
    """Somebody's own, or shared with everybody in the organization. Whoever opens it
    sees what they may see."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="saved_views"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    name = models.CharField(max_length=100)
    query = models.CharField(max_length=QUERY_MAX, blank=True)
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    # It stays as a row, so that a second click on “Delete” finds it deleted.
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "portal_savedview"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "created_by", "name"],
                condition=Q(deleted_at__isnull=True),
                name="savedview_name_once_each",
            ),
        ]

    def __str__(self) -> str:
        return self.name
