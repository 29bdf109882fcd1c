"""Somebody is asked to become a member. The link's token is not kept, its digest is."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.models.organization import Organization, Project


class Invitation(models.Model):
    """For one address, once, until it expires: what its person will be. Sent again it
    has another token, and the first one opens nothing any more."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="invitations"
    )
    email = models.CharField(max_length=254)  # in the one form of an address
    role = models.CharField(max_length=16)
    # As of a membership; `projects` are those in which they will be named.
    is_limited = models.BooleanField(default=False)
    projects = models.ManyToManyField(
        Project, db_table="portal_invitationproject", related_name="+"
    )
    # What they may spend in a month, in microcredits; null: no limit of their own.
    cap_micros = models.BigIntegerField(null=True)
    digest = models.CharField(max_length=64, unique=True)  # SHA-256, hexadecimal
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "portal_invitation"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "email"],
                condition=Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="invitation_one_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(accepted_at__isnull=True) | Q(revoked_at__isnull=True),
                name="invitation_ends_one_way",
            ),
            models.CheckConstraint(
                condition=Q(cap_micros__isnull=True)
                | Q(cap_micros__gte=1, cap_micros__lte=10**15),
                name="invitation_cap_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.organization}"

    def state_at(self, now: datetime) -> str:
        """pending, accepted, revoked or expired."""
        if self.accepted_at is not None:
            return "accepted"
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at <= now else "pending"
