"""The frame of an organization's pages: the same everywhere, with the navigation."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from portal.models import Organization
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

# The rights of which one is enough to open a page.
OVERVIEW = (Permission.SEE_USAGE, Permission.SEE_OWN_USAGE)
KEYS = (Permission.SEE_ALL_KEYS, Permission.SEE_OWN_KEYS)
SETTINGS = (Permission.MANAGE_ORGANIZATION,)

# What the navigation links to, in order: name of the URL, label, rights.
LINKS = (
    ("overview", "Overview", OVERVIEW),
    ("keys", "API keys", KEYS),
    ("settings", "Settings", SETTINGS),
)


def show(
    request: HttpRequest, tenant: Tenant, template: str, context: dict[str, Any]
) -> HttpResponse:
    """`template` is in the folder called as the link that the page belongs to. Nobody
    is shown a link that answers 404."""
    joined = Organization.objects.filter(
        memberships__user=tenant.user, memberships__disabled_at=None
    )
    frame = {
        "tenant": tenant,
        "organization": tenant.organization,
        "organizations": joined.order_by("name"),
        "navigation": [link[:2] for link in LINKS if tenant.may(*link[2])],
        "current": template.partition("/")[0],
    }
    return render(request, template, frame | context)
