"""The frame of an organization's pages: the same everywhere, with the navigation."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from portal.models import Organization
from portal.pages.parts import navigation
from portal.tenants import organizations
from portal.tenants.tenancy import Tenant


def show(
    request: HttpRequest,
    tenant: Tenant,
    template: str,
    context: dict[str, Any],
    *,
    current: str = "",
    status: int = 200,
) -> HttpResponse:
    """`template` is in the folder called as the link that the page belongs to, unless
    `current` names that link. Times are shown in the organization's time zone."""
    joined = Organization.objects.filter(
        memberships__user=tenant.user, memberships__disabled_at=None
    )
    current = current or template.partition("/")[0]
    frame = {
        "tenant": tenant,
        "organization": tenant.organization,
        "organizations": joined.order_by("name"),
        "may_create_organizations": organizations.may_create_own(),
        "navigation": navigation.links_for(tenant, current),
        "time_zone": tenant.organization.account.time_zone,
    }
    with timezone.override(zone_of(tenant)):
        return render(request, template, frame | context, status=status)


def zone_of(tenant: Tenant) -> ZoneInfo:
    """Where the organization's days begin."""
    return ZoneInfo(tenant.organization.account.time_zone)
