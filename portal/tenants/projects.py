"""Projects: an organization's keys each belong to one. Every organization has one."""

from __future__ import annotations

from portal.models import Organization, Project


def default_of(organization: Organization) -> Project:
    """The project that keys belong to when nobody names one."""
    return organization.projects.get(is_default=True)
