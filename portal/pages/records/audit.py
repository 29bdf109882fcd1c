"""The audit trail: who did what, filtered, exported, and whether its chain is whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from billing.values.connection import snapshot
from portal.models import AuditEvent
from portal.pages.parts import exports, frame, keyset, navigation, tables
from portal.pages.parts.filters import Choice, Filters, Range, Text, read
from portal.pages.parts.query import changed
from portal.pages.parts.tables import Column, Kind, Table
from portal.tenants import chain, tenancy, trail
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

KINDS = (
    ("api_key", "API keys"),
    ("budget", "Limits"),
    ("raise_request", "Raise requests"),
    ("credits", "Credits"),
    ("envelope", "Runs"),
    ("invitation", "Invitations"),
    ("member", "Members"),
    ("organization", "Organization"),
    ("project", "Projects"),
    ("rules", "Rules"),
    ("security", "Security"),
    ("service_account", "Service accounts"),
    ("user", "Sign-in and accounts"),
)
MEANINGS = {
    "CONTENT": "is not as it was written",
    "GAP": "does not follow on the row before it, which is missing",
    "CHAIN": "follows on another row than it did",
    "UNCHAINED": "has no place in the chain",
    "END": "was the last one written, and is not the last one there",
}


class Change(NamedTuple):
    """One field of an event: what it was and is, or only what is said."""

    name: str
    before: str | None
    after: str


def changes_of(event: AuditEvent) -> list[Change]:
    """What is told of an event, fields that were changed first."""
    detail = event.detail if isinstance(event.detail, dict) else {}
    before, after = (_fields(detail, name) for name in ("before", "after"))
    rest = {
        name: value
        for name, value in detail.items()
        if name not in ("before", "after") and value not in ("", None)
    }
    return [
        *(
            Change(_words(name), _said(before.get(name)), _said(after.get(name)))
            for name in dict.fromkeys((*before, *after))
        ),
        *(Change(_words(name), None, _said(value)) for name, value in rest.items()),
    ]


def _fields(detail: dict[str, Any], name: str) -> dict[str, Any]:
    """Older events tell a bare value."""
    found = detail.get(name)
    if isinstance(found, dict):
        return found
    return {} if found is None else {"value": found}


def _words(name: str) -> str:
    return name.replace("_", " ")


def _said(value: Any) -> str:
    match value:
        case None | "":
            return "—"
        case bool():
            return "yes" if value else "no"
        case str() | int():
            return str(value)
    return chain.canonical(value)


TABLE = Table(
    "audit",
    "What was done, the latest first",
    (
        Column("number", "No.", kind=Kind.COUNT, order="number"),
        Column("at", "When", kind=Kind.TIME),
        Column("actor", "Who", "actor_label", filters="actor"),
        Column("actor_id", "", is_in_page=False),
        Column("action", "What", filters="action"),
        Column("target", "Of what", filters="target"),
        Column(
            "change",
            "Change",
            changes_of,
            template="audit/change.html",
            is_in_csv=False,
        ),
        Column(
            "detail", "", lambda event: chain.canonical(event.detail), is_in_page=False
        ),
        Column("address", "From", "ip_address", kind=Kind.CODE),
        Column(
            "request_id",
            "Request",
            lambda event: event.request_id or None,
            kind=Kind.CODE,
        ),
        Column("digest", "", is_in_page=False),
        Column("chain", "", is_in_page=False),
    ),
    sort="-number",
    empty="Nothing was done in this time.",
    tie="number",
)
EVERY_ROW = keyset.Order("number", tie="number")


@require_safe
@tenancy.page(*navigation.AUDIT)
def audit_page(request: HttpRequest, tenant: Tenant) -> HttpResponseBase:
    filters = read(request.GET, frame.zone_of(tenant), _fields_of(tenant))
    events = _asked(tenant, filters)
    if tables.wants_csv(request):
        return TABLE.csv(request, events)
    if request.GET.get("format") == "jsonl":
        return _lines(tenant, events)
    return _shown(request, tenant, filters, events)


def _fields_of(tenant: Tenant) -> Sequence[Choice | Text | Range]:
    people = tenant.organization.memberships.order_by("user__email")
    emails = people.values_list("user__email", flat=True)
    known = [(email, email) for email in emails]
    return (
        Range(),
        Choice("actor", "Who", known, "Everybody", takes_others=True),
        Choice("action", "What", KINDS, "Everything", takes_others=True),
        Text("target", "Of what", "a key, an address, an id"),
    )


def _asked(tenant: Tenant, filters: Filters) -> QuerySet[AuditEvent]:
    events = trail.events_of(
        tenant.organization, sees_all=tenant.may(Permission.SEE_AUDIT)
    ).filter(at__gte=filters.span.since, at__lt=filters.span.until)
    if filters.get("actor"):
        events = events.filter(actor_label=filters.get("actor"))
    if filters.get("action"):
        events = trail.of_kind(events, filters.get("action"))
    if filters.get("target"):
        events = events.filter(target__icontains=filters.get("target"))
    return events


def _lines(tenant: Tenant, events: QuerySet[AuditEvent]) -> HttpResponseBase:
    name = f"tollgate-{tenant.organization.slug}-audit"
    chunks = keyset.chunks(events, EVERY_ROW)
    return exports.download_lines(name, (map(trail.exported, c) for c in chunks))


def _shown(
    request: HttpRequest, tenant: Tenant, filters: Filters, events: QuerySet[AuditEvent]
) -> HttpResponse:
    found = TABLE.show(request, events)
    head = trail.head_of(tenant.organization)
    wants_all = "check" in request.GET and tenant.may(Permission.SEE_AUDIT)
    is_checked = wants_all and head.number <= trail.ROWS_MAX
    if is_checked:
        with snapshot():
            wrong = list(chain.wrong_in(tenant.organization.pk))
    else:
        wrong = trail.wrong_among([line.row for line in found.lines])
    context = {
        "filters": filters,
        "listing": found,
        "head": head,
        "is_checked": is_checked,
        "is_too_long": wants_all and not is_checked,
        "wrong": [(each, MEANINGS[each.code]) for each in wrong],
        "sees_all": tenant.may(Permission.SEE_AUDIT),
        "check_url": changed(request.GET, check="all"),
        "lines_url": changed(request.GET, "check", format="jsonl"),
    }
    return frame.show(request, tenant, "audit/list.html", context)
