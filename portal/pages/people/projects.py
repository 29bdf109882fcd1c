"""The list of projects, and the page of one: its budgets, keys, spend and members."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from billing import budgets as ledger_budgets
from billing.models import Budget
from billing.models.budget import Level
from billing.reports import usage
from billing.reports.periods import Range
from billing.reports.usage import NOTHING, Dimension, Figures
from portal.models import Project
from portal.pages.parts import filters, frame, navigation, periods, tables
from portal.tenants import policy, rules, sight, tenancy
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

MANAGE = Permission.MANAGE_PROJECTS
KEYS_SHOWN, MODELS_SHOWN = 50, 10


@dataclass(frozen=True, slots=True)
class Row:
    """A project in the list."""

    pk: int
    name: str
    owner: str | None
    members: str
    keys: int
    figures: Figures
    state: str
    created_at: datetime


TABLE = tables.Table(
    "projects",
    "Projects, with what they have spent since the month began",
    (
        tables.Column("name", "Name", order="name", link="project"),
        tables.Column("owner", "Owner"),
        tables.Column("members", "Members"),
        tables.Column("keys", "Active keys", kind=tables.Kind.COUNT),
        tables.Column("requests", "Requests", "figures.requests", tables.Kind.COUNT),
        tables.Column(
            "charged", "Spent", "figures.charged_micros", tables.Kind.CREDITS
        ),
        tables.Column("state", "State", kind=tables.Kind.STATE, filters="state"),
        tables.Column(
            "created", "Made", "created_at", tables.Kind.AGO, order="created_at"
        ),
    ),
    sort="name",
    empty="No project here fits the filter.",
)


@require_safe
@tenancy.page(*navigation.PROJECTS)
def project_list(request: HttpRequest, tenant: Tenant) -> HttpResponseBase:
    """Limited developers see those in which they are named."""
    states = [("active", "active"), ("archived", "archived")]
    bar = filters.read(
        request.GET,
        frame.zone_of(tenant),
        (
            filters.Text("find", "Name contains"),
            filters.Choice("state", "State", states),
        ),
    )
    found = tenant.projects().select_related("owner__user")
    if text := bar.get("find"):
        found = found.filter(name__icontains=text)
    if state := bar.get("state"):
        found = found.filter(archived_at__isnull=state == "active")
    hidden = [] if tenant.may(Permission.SEE_MEMBERS) else ["owner", "members"]
    if not tenant.may(*navigation.KEYS):
        hidden.append("keys")
    table = TABLE.without(*hidden)

    def prepare(rows: list[Any]) -> list[Row]:
        return _rows(tenant, rows)

    if tables.wants_csv(request):
        return table.csv(request, found, prepare=prepare)
    context = {
        "listing": table.show(request, found, prepare=prepare),
        "filters": bar,
        "may_manage": tenant.may(MANAGE),
        "is_limited": policy.is_limited(tenant.membership),
    }
    return frame.show(request, tenant, "projects/list.html", context)


def _rows(tenant: Tenant, found: list[Project]) -> list[Row]:
    """Of all at once: a constant number of queries."""
    spent = _spent(tenant, this_month(tenant), Dimension.PROJECT)
    held = tenant.visible_keys().filter(revoked_at=None, project__in=found)
    counted = dict(held.values_list("project_id").annotate(Count("pk")))
    named, others = _members_of(tenant, found)
    return [
        Row(
            pk=each.pk,
            name=each.name,
            owner=each.owner.user.email if each.owner else None,
            members=str(others + named.get(each.pk, 0)),
            keys=counted.get(each.pk, 0),
            figures=spent.get(each.unit_id, NOTHING),
            state="archived" if each.archived_at else "active",
            created_at=each.created_at,
        )
        for each in found
    ]


def _members_of(tenant: Tenant, found: list[Project]) -> tuple[dict[int, int], int]:
    """How many limited members each project has by name, and how many have all."""
    memberships = tenant.organization.memberships.prefetch_related("named_projects")
    named: dict[int, int] = {}
    others = 0
    for member in memberships:
        if not policy.is_limited(member):
            others += 1
            continue
        for each in member.named_projects.all():
            named[each.project_id] = named.get(each.project_id, 0) + 1
    return named, others


def this_month(tenant: Tenant) -> Range:
    period = periods.named("month", frame.zone_of(tenant), timezone.now())
    return Range(period.since, period.until)


def _spent(
    tenant: Tenant, span: Range, by: Dimension, project: Project | None = None
) -> dict[Any, Figures]:
    """What this person may know of it, by the ledger's ids or names."""
    chosen = sight.usage_of(tenant)
    if project is not None:
        chosen = chosen.narrowed(Dimension.PROJECT, project.unit_id)
    found = usage.figures(chosen, [span], [by])
    return {subjects[0]: figures for (_, subjects), figures in found.items()}


# --- one project ---------------------------------------------------------------


@require_safe
@tenancy.page(*navigation.PROJECTS)
def project_page(request: HttpRequest, tenant: Tenant, pk: int) -> HttpResponse:
    project = project_of(tenant, pk)
    models = _spent(tenant, this_month(tenant), Dimension.MODEL, project)
    most = sorted(models.items(), key=lambda item: -item[1].charged_micros)
    sees_keys = tenant.may(*navigation.KEYS)
    held = tenant.visible_keys().filter(project=project, revoked_at=None)
    context: dict[str, Any] = {
        "project": project,
        "total": sum(models.values(), NOTHING),
        "models": most[:MODELS_SHOWN],
        "more_models": max(0, len(most) - MODELS_SHOWN),
        "sees_keys": sees_keys,
        "sees_own_only": sight.sees_own_only(tenant),
        "may_create_keys": tenant.may(Permission.CREATE_KEYS),
        "may_manage": tenant.may(MANAGE),
        "sees_members": tenant.may(Permission.SEE_MEMBERS),
    }
    if sees_keys:
        held = held.select_related("spender__holder").order_by("name", "pk")
        context |= {"keys": held[:KEYS_SHOWN], "key_count": held.count()}
    if tenant.may(Permission.SEE_USAGE):
        context |= {"limits": _limits(tenant, project), "rules": _rules(project)}
    if tenant.may(Permission.SEE_MEMBERS):
        context |= _people(tenant, project)
    return frame.show(request, tenant, "projects/project.html", context)


def project_of(tenant: Tenant, pk: int) -> Project:
    """Raises: Http404 for one that the member may not use, too."""
    found = tenant.projects().select_related("organization", "owner__user", "unit")
    return get_object_or_404(found, pk=pk)


def _limits(tenant: Tenant, project: Project) -> list[Any]:
    own = Budget.objects.filter(
        is_active=True, level=Level.PROJECT, project=project.unit_id
    )
    ids = set(own.values_list("id", flat=True))
    known = ledger_budgets.of_account(tenant.organization.account_id) if ids else []
    return [link for link in known if link.budget_id in ids]


def _rules(project: Project) -> dict[str, str]:
    """What its keys may call, where that is limited."""
    row = project.organization.rules.filter(unit=project.unit_id).first()
    if row is None:
        return {}
    named = {
        "Models": ", ".join(rules.listed(row.model_patterns)),
        "Operations": ", ".join(rules.listed(row.operations)),
        "Networks": ", ".join(rules.listed(row.networks)),
        "Requests a minute": row.requests_per_minute,
        "Tokens a minute": row.tokens_per_minute,
        "Calls at once": row.calls_at_once,
    }
    return {label: str(value) for label, value in named.items() if value}


def _people(tenant: Tenant, project: Project) -> dict[str, Any]:
    """Who may use it: by name, because they may use all, and who could be added."""
    found = tenant.organization.memberships.select_related("user")
    known = found.prefetch_related("named_projects").order_by("user__email")
    named, everywhere, others = [], [], []
    for member in known:
        if not policy.is_limited(member):
            everywhere.append(member)
        elif policy.may_use(member, project.pk):
            named.append(member)
        else:
            others.append(member)
    return {"named": named, "everywhere": everywhere, "others": others}
