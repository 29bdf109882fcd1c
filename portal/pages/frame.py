"""Rendering a page of an organization: its frame is the same everywhere."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from portal.models import Organization
from portal.pages import navigation
from portal.tenants.tenancy import Tenant


def show(
    request: HttpRequest,
    tenant: Tenant,
    template: str,
    context: dict[str, Any],
    *,
    current: str,
) -> HttpResponse:
    """`current` is the name of the navigation's page that this one belongs to."""
    frame = {
        "tenant": tenant,
        "organization": tenant.organization,
        "organizations": Organization.objects.filter(
            memberships__user=tenant.user
        ).order_by("name"),
        "navigation": navigation.entries(tenant, current),
    }
    return render(request, template, frame | context)
