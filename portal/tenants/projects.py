"""Projects: an organization's keys each belong to one. Every organization has one."""

from __future__ import annotations

from django.db.models import QuerySet

from portal.models import Organization, Project


def open_default(organization: Organization) -> Project:
    """The first project of a new organization, in the transaction that makes it."""
    return Project.objects.create(
        organization=organization, name="Default", slug="default", is_default=True
    )


def default_of(organization: Organization) -> Project:
    """The project that keys belong to when nobody names one."""
    return organization.projects.get(is_default=True)


def choices(organization: Organization) -> QuerySet[Project]:
    """All projects, the default first."""
    return organization.projects.order_by("-is_default", "name")
