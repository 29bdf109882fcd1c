"""The tenant, its projects, its members and its service accounts.

Each of the last three has a `unit`, its face in the ledger: a hold reads there whether
its keys may spend. What is archived, disabled or removed is refused by its unit; these
rows only remember since when.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing.models import Account, Unit


class Role(models.TextChoices):
    """What a member may do; `portal/tenants/roles.py` is the table of rights."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    BILLING = "billing"
    VIEWER = "viewer"


class Organization(models.Model):
    """A tenant: one account of credits, projects, members, keys."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=60, unique=True)
    # The name by which `manage.py bootstrap` made it and finds it again. The name above
    # is its members' to change, and any number of organizations may be called the same.
    bootstrapped_as = models.CharField(
        max_length=100, unique=True, null=True, blank=True
    )
    account = models.OneToOneField(Account, on_delete=models.PROTECT)
    # Whether replies are kept for a while, encrypted, for clients that lost theirs.
    stores_replies = models.BooleanField(default=True)
    # Whether a member's pages open only once they have a second factor.
    requires_mfa = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "portal_organization"

    def __str__(self) -> str:
        return self.name


class FormerSlug(models.Model):
    """A slug that an organization had: links with it still lead its members there, and
    no other organization gets it."""

    slug = models.SlugField(max_length=60, unique=True)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="former_slugs"
    )
    changed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "portal_formerslug"

    def __str__(self) -> str:
        return self.slug


class Project(models.Model):
    """A part of an organization that keys belong to."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="projects"
    )
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=60)
    is_default = models.BooleanField(default=False)
    # Who answers for it, and gets the keys of those who leave it. Null: nobody.
    owner = models.ForeignKey(
        "Membership",
        on_delete=models.SET_NULL,
        null=True,
        related_name="owned_projects",
    )
    unit = models.OneToOneField(Unit, on_delete=models.PROTECT)
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "portal_project"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "slug"], name="project_slug_once_each"
            ),
            models.UniqueConstraint(
                fields=["organization"],
                condition=Q(is_default=True),
                name="project_one_default_each",
            ),
            models.CheckConstraint(
                condition=Q(is_default=False) | Q(archived_at__isnull=True),
                name="project_default_is_not_archived",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's role in an organization."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="memberships"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=16)
    # Whether a developer sees and makes keys only in the projects in which they are
    # named (`ProjectMember`), maybe none. `portal/tenants/policy.py` decides by it.
    is_limited = models.BooleanField(default=False)
    unit = models.OneToOneField(Unit, on_delete=models.PROTECT)
    created_at = models.DateTimeField(auto_now_add=True)
    disabled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "portal_membership"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "user"], name="membership_once_each"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.organization} as {self.role}"


class ProjectMember(models.Model):
    """A member is named in a project: they may use it although they are limited."""

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="named_members"
    )
    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, related_name="named_projects"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "portal_projectmember"
        constraints = [
            models.UniqueConstraint(
                fields=["project", "membership"], name="projectmember_once_each"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.membership} in {self.project}"


class FormerMember(models.Model):
    """Somebody who was removed. If they come back, they get their unit again, and with
    it what they have spent this month and what limits them."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="former_members"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    unit = models.OneToOneField(Unit, on_delete=models.PROTECT)
    removed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "portal_formermember"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "user"], name="formermember_once_each"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}, once in {self.organization}"


class ServiceAccount(models.Model):
    """A holder of keys that is no person: it stays when whoever made it leaves."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="service_accounts"
    )
    name = models.CharField(max_length=100)
    unit = models.OneToOneField(Unit, on_delete=models.PROTECT)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True
    )
    created_at = models.DateTimeField(auto_now_add=True)
    disabled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "portal_serviceaccount"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "name"], name="serviceaccount_name_once_each"
            ),
        ]

    def __str__(self) -> str:
        return self.name
