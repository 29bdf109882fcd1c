"""`/`: on to an organization, or the page of somebody who is in none yet."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache

from portal.models import Organization
from portal.signing_in import sign_up
from portal.tenants import organizations


@never_cache
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """The organization joined first is the one that opens."""
    organization = (
        Organization.objects.filter(
            memberships__user=request.user.pk, memberships__disabled_at=None
        )
        .order_by("memberships__created_at", "pk")
        .first()
    )
    if organization is None and sign_up.makes_organizations(request):
        return redirect("found-organization")
    if organization is None:
        may_create = organizations.may_create_own()
        context = {"may_create": may_create}
        return render(request, "home/no_organization.html", context)
    return redirect("overview", organization.slug)
