"""More of a limit for a time: granted at once, asked for, answered, taken back."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from portal.models import RaiseRequest
from portal.pages.money import budgets as pages
from portal.pages.money.limit_forms import MoreForm, RefuseForm
from portal.pages.parts import frame, tickets
from portal.tenants import audit, budgets, tenancy
from portal.tenants.errors import PortalError
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant


@tenancy.page(Permission.MANAGE_BUDGETS)
@require_POST
def raise_limit(request: HttpRequest, tenant: Tenant, budget_id: int) -> HttpResponse:
    return _more(request, tenant, budget_id, is_asked=False)


@tenancy.page(Permission.CREATE_KEYS)
@require_POST
def ask(request: HttpRequest, tenant: Tenant, budget_id: int) -> HttpResponse:
    """Of a limit that binds the member's own calls, or that they may see."""
    return _more(request, tenant, budget_id, is_asked=True)


def _more(
    request: HttpRequest, tenant: Tenant, budget_id: int, *, is_asked: bool
) -> HttpResponse:
    limit = pages.limit_of(tenant, budget_id)
    if limit is None:
        return pages.instead(request, tenant, budget_id)
    form = MoreForm(frame.zone_of(tenant), timezone.now(), request.POST)
    if not form.is_valid():
        return pages.show(request, tenant, limit, more_form=form)
    operation: Any = budgets.ask if is_asked else budgets.raise_limit
    words = (
        "You have asked. Whoever may grant it sees it on this page’s list."
        if is_asked
        else "The limit is raised, from the next call on."
    )
    until: datetime = form.cleaned_data["until"]
    act = partial(
        operation,
        tenant.organization,
        budget_id,
        form.cleaned_data["credits"],
        until=until,
        reason=form.cleaned_data["reason"],
        actor=audit.actor_of(request),
    )
    try:
        tickets.once(tenant.user.pk, form.cleaned_data["ticket"], act)
    except tickets.Used:
        messages.info(request, "That was done already.")
    except PortalError as refusal:
        messages.error(request, f"Nothing was changed. {refusal}")
    else:
        messages.success(request, words)
    return redirect("budget", tenant.organization.slug, budget_id)


@tenancy.page(Permission.MANAGE_BUDGETS)
@require_POST
def end_raise(request: HttpRequest, tenant: Tenant, raise_id: int) -> HttpResponse:
    try:
        budgets.end_raise(tenant.organization, raise_id, actor=audit.actor_of(request))
    except PortalError:
        messages.info(request, "That raise has ended already.")
    else:
        messages.success(request, "The raise is taken back.")
    return redirect("budgets", tenant.organization.slug)


@tenancy.page(Permission.MANAGE_BUDGETS)
@require_POST
def grant(request: HttpRequest, tenant: Tenant, request_id: int) -> HttpResponse:
    """One click."""
    asked = _asked(tenant, request_id)
    try:
        budgets.grant(asked, actor=audit.actor_of(request))
    except PortalError as refusal:
        messages.error(request, f"Nothing was changed. {refusal}")
    else:
        messages.success(request, "Granted: the limit is raised.")
    return redirect("budgets", tenant.organization.slug)


@tenancy.page(Permission.MANAGE_BUDGETS)
@require_POST
def refuse(request: HttpRequest, tenant: Tenant, request_id: int) -> HttpResponse:
    asked = _asked(tenant, request_id)
    form = RefuseForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Nothing was changed: give a reason.")
        return redirect("budgets", tenant.organization.slug)
    try:
        budgets.refuse(
            asked, reason=form.cleaned_data["reason"], actor=audit.actor_of(request)
        )
    except PortalError as refusal:
        messages.error(request, f"Nothing was changed. {refusal}")
    else:
        messages.success(request, "Refused: whoever asked sees your reason.")
    return redirect("budgets", tenant.organization.slug)


def _asked(tenant: Tenant, request_id: int) -> RaiseRequest:
    """Raises: Http404 for another organization's."""
    found = RaiseRequest.objects.select_related("organization")
    return get_object_or_404(found, pk=request_id, organization=tenant.organization)
