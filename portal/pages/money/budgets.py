"""*Budgets*: all limits with what is used and held, requests for more, what was done;
and the page of one limit, where it is changed, raised, asked for and removed."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from billing.budgets import Subject
from billing.models import Budget
from billing.models.budget import Level, Window
from billing.reports.replay import Proposal, replay
from portal.models import Membership
from portal.pages.money import links
from portal.pages.money.limit_forms import AmountForm, LimitForm, MoreForm, RefuseForm
from portal.pages.parts import frame
from portal.tenants import audit, budget_lists, budgets, tenancy
from portal.tenants.budget_lists import Limit
from portal.tenants.errors import InvalidBudget, NoSuchBudget, OwnLimit
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

SEES = (
    Permission.MANAGE_BUDGETS,
    Permission.SEE_USAGE,
    Permission.SEE_OWN_USAGE,
)
GONE = "That limit is not in force any more."


@require_safe
@tenancy.page(*SEES)
def budget_list(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """Developers see what binds their own calls."""
    membership = tenant.membership
    requests = list(budget_lists.waiting(membership))
    context = {
        "limits": budget_lists.limits(membership),
        "requests": [
            {"asked": asked, "form": RefuseForm(auto_id=f"id_{asked.pk}_%s")}
            for asked in requests
        ],
        "asked": list(budget_lists.asked_by(membership)[:10]),
        "history": budget_lists.history(membership),
        **_rights(tenant),
    }
    return frame.show(request, tenant, "budgets/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(Permission.MANAGE_BUDGETS)
def budget_create(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """First what it would have done is shown, then it is saved."""
    initial = {
        name: request.GET[name]
        for name in ("level", "project", "holder", "key", "window", "credits")
        if name in request.GET
    }
    form = LimitForm(tenant.organization, request.POST or None, initial=initial)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        proposal = form.proposal
        counts = form.cleaned_data["counts_spend_so_far"]
        if request.POST.get("confirmed") == "yes":
            return _save(request, tenant, proposal, counts=counts)
        context |= _replayed(tenant, proposal)
    return frame.show(request, tenant, "budgets/new.html", context)


@require_safe
@tenancy.page(*SEES)
def budget_page(request: HttpRequest, tenant: Tenant, budget_id: int) -> HttpResponse:
    limit = limit_of(tenant, budget_id)
    if limit is None:
        return instead(request, tenant, budget_id)
    return show(request, tenant, limit)


@tenancy.page(Permission.MANAGE_BUDGETS)
@require_POST
def budget_change(request: HttpRequest, tenant: Tenant, budget_id: int) -> HttpResponse:
    """Another amount: first what it would have done, then it is saved."""
    limit = limit_of(tenant, budget_id)
    if limit is None:
        return instead(request, tenant, budget_id)
    form = AmountForm(request.POST)
    if not form.is_valid():
        return show(request, tenant, limit, amount_form=form)
    proposal = _proposal(limit.budget, form.cleaned_data["credits"])
    counts = form.cleaned_data["counts_spend_so_far"]
    if request.POST.get("confirmed") == "yes":
        return _save(request, tenant, proposal, counts=counts)
    return show(request, tenant, limit, amount_form=form, **_replayed(tenant, proposal))


@tenancy.page(Permission.MANAGE_BUDGETS)
@require_POST
def budget_remove(request: HttpRequest, tenant: Tenant, budget_id: int) -> HttpResponse:
    slug = tenant.organization.slug
    try:
        budgets.remove(tenant.organization, budget_id, actor=audit.actor_of(request))
    except NoSuchBudget:
        _theirs(tenant, budget_id)
        messages.info(request, GONE)
    except OwnLimit as refusal:
        messages.error(request, f"Nothing was changed. {refusal}")
    else:
        messages.success(request, "The limit is removed: it binds no call any more.")
    return redirect("budgets", slug)


@require_safe
@never_cache
@login_required
def budget_link(request: HttpRequest, budget_id: int) -> HttpResponse:
    """Where a refusal's link leads: the limit's page, in whichever of the person's
    organizations it is."""
    found = Membership.objects.filter(
        user=request.user.pk,
        disabled_at=None,
        organization__account__budget__id=budget_id,
    ).select_related("organization")
    membership = get_object_or_404(found)
    return redirect("budget", membership.organization.slug, budget_id)


# --- the rest -------------------------------------------------------------------------


def show(
    request: HttpRequest,
    tenant: Tenant,
    limit: Limit,
    *,
    status: int = 200,
    **forms: Any,
) -> HttpResponse:
    zone, now = frame.zone_of(tenant), timezone.now()
    context: dict[str, Any] = {
        "limit": limit,
        "amount_form": AmountForm(),
        "more_form": MoreForm(zone, now),
        "history": [
            event
            for event in budget_lists.history(tenant.membership)
            if event.target == f"budget_{limit.budget.id}"
        ],
        **_rights(tenant),
        **forms,
    }
    return frame.show(request, tenant, "budgets/budget.html", context, status=status)


def _rights(tenant: Tenant) -> dict[str, bool]:
    return {
        "may_manage": tenant.may(Permission.MANAGE_BUDGETS),
        "may_ask": tenant.may(Permission.CREATE_KEYS),
        "sees_keys": tenant.may(Permission.SEE_KEY_NAMES),
        # Who sees only what binds them sees no other member's.
        "sees_members": tenant.may(Permission.SEE_MEMBERS)
        or not tenant.may(Permission.SEE_USAGE),
    }


def limit_of(tenant: Tenant, budget_id: int) -> Limit | None:
    found = budget_lists.limits(tenant.membership, only=budget_id)
    return found[0] if found else None


def _theirs(tenant: Tenant, budget_id: int) -> Budget:
    """Raises: Http404 for another organization's."""
    account_id = tenant.organization.account_id
    return get_object_or_404(Budget, id=budget_id, account_id=account_id)


def instead(request: HttpRequest, tenant: Tenant, budget_id: int) -> HttpResponse:
    """What became of a limit: the one in its place, or none. Raises: Http404 for one
    that the member may not know of."""
    present = budget_lists.present(_theirs(tenant, budget_id))
    if present is None and tenant.may(Permission.MANAGE_BUDGETS):
        messages.info(request, GONE)
        return redirect("budgets", tenant.organization.slug)
    if present is None or limit_of(tenant, present.id) is None:
        raise Http404
    return redirect("budget", tenant.organization.slug, present.id)


def _proposal(budget: Budget, micros: int) -> Proposal:
    subject = Subject(
        Level(budget.level), budget.project_id, budget.holder_id, budget.spender_id
    )
    window = Window(budget.window)
    return Proposal(subject, window, micros, budget.model_pattern, budget.operation)


def _replayed(tenant: Tenant, proposal: Proposal) -> dict[str, Any]:
    """What it would have done."""
    found = replay(tenant.organization.account_id, proposal)
    slug = tenant.organization.slug
    listed = [(each, links.request(slug, each.hold_id)) for each in found.listed]
    return {"replay": found, "listed": listed, "proposal": proposal}


def _save(
    request: HttpRequest, tenant: Tenant, proposal: Proposal, *, counts: bool
) -> HttpResponse:
    slug = tenant.organization.slug
    try:
        budget = budgets.set_limit(
            tenant.organization,
            proposal.subject,
            proposal.window,
            proposal.limit_micros,
            counts_spend_so_far=counts,
            actor=audit.actor_of(request),
            model_pattern=proposal.model_pattern,
            operation=proposal.operation,
        )
    except (OwnLimit, InvalidBudget) as refusal:
        messages.error(request, f"Nothing was saved. {refusal}")
        return redirect("budgets", slug)
    messages.success(request, "The limit is set: it binds from the next call on.")
    return redirect("budget", slug, budget.id)
