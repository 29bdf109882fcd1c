"""The pages of an organization, in order, each with the rights that open it."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

OVERVIEW = (Permission.SEE_USAGE, Permission.SEE_OWN_USAGE)
KEYS = (Permission.SEE_ALL_KEYS, Permission.SEE_OWN_KEYS)
SETTINGS = (Permission.MANAGE_ORGANIZATION,)

# name of the URL → (label, rights of which one is enough)
PAGES: dict[str, tuple[str, tuple[Permission, ...]]] = {
    "overview": ("Overview", OVERVIEW),
    "keys": ("API keys", KEYS),
    "settings": ("Settings", SETTINGS),
}


@dataclass(frozen=True, slots=True)
class NavigationEntry:
    """One link of the navigation."""

    label: str
    url: str
    is_current: bool


def entries(tenant: Tenant, current: str) -> list[NavigationEntry]:
    """What this member may open; nobody is shown a link that answers 404."""
    return [
        NavigationEntry(
            label, reverse(name, args=[tenant.organization.slug]), name == current
        )
        for name, (label, permissions) in PAGES.items()
        if any(tenant.may(permission) for permission in permissions)
    ]
