"""The list of keys, and what is done to several of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from billing.models import UsageRollup
from portal.models import ApiKey, KeySecret
from portal.pages.keys.rows import KeyRow, rows
from portal.pages.parts import filters, frame, navigation
from portal.pages.parts.filters import Choice, Filters, Text
from portal.pages.parts.tables import Column, Kind, Table, wants_csv
from portal.tenants import audit, key_edits, keys, tenancy
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

AT_ONCE_MAX = 200
UNUSED_DAYS = 30
STATES = (
    ("active", "Active"),
    ("disabled", "Disabled"),
    ("expired", "Expired"),
    ("revoked", "Revoked"),
    ("unused", f"Active, not used in {UNUSED_DAYS} days"),
)


def _limit(path: str) -> Callable[[KeyRow], Any]:
    def read(row: KeyRow) -> Any:
        found: Any = row.limit
        for name in path.split("."):
            found = None if found is None else getattr(found, name)
        return found

    return read


KEYS = Table(
    "keys",
    "Keys: a secret is shown once, when it is made; only a digest is kept",
    (
        Column("name", "Name", order="name", template="keys/cells/name.html"),
        Column("key", "Key", "hint", Kind.CODE, template="keys/cells/hint.html"),
        Column("project", "Project", "key.project.name"),
        Column("holder", "Held by"),
        Column(
            "limit",
            "Tightest limit",
            _limit("words"),
            template="keys/cells/limit.html",
        ),
        Column(
            "limit_credits",
            "",
            _limit("link.limit_micros"),
            Kind.CREDITS,
            is_in_page=False,
        ),
        Column(
            "left_credits",
            "",
            _limit("link.left_micros"),
            Kind.CREDITS,
            is_in_page=False,
        ),
        Column("resets_at", "", _limit("link.resets_at"), Kind.TIME, is_in_page=False),
        Column(
            "spent_14_days",
            "14 days",
            "spent_micros",
            Kind.CREDITS,
            template="keys/cells/spark.html",
        ),
        Column(
            "last_used",
            "Last used",
            "last_at",
            Kind.AGO,
            template="keys/cells/last.html",
        ),
        Column("client", "", "program", is_in_page=False),
        Column(
            "expires_at",
            "Expires",
            "key.expires_at",
            Kind.AGO,
            order="spender__closes_at",
            is_nullable=True,
            template="keys/cells/expires.html",
        ),
        Column("created_at", "Made", "key.created_at", Kind.AGO, order="created_at"),
        Column("state", "State", kind=Kind.STATE),
    ),
    sort="-created_at",
    empty="No key is like this.",
)


@require_safe
@tenancy.page(*navigation.KEYS)
def key_list(request: HttpRequest, tenant: Tenant) -> HttpResponseBase:
    bar = filters.read(request.GET, frame.zone_of(tenant), _fields(tenant))
    found = _chosen(tenant, bar)

    def prepare(some: list[Any]) -> Sequence[KeyRow]:
        return rows(tenant, some)

    if wants_csv(request):
        return KEYS.csv(request, found, prepare=prepare)
    listing = KEYS.show(request, found, prepare=prepare)
    context = {
        "listing": listing,
        "filters": bar,
        "may_create_keys": tenant.may(Permission.CREATE_KEYS),
        "may_see_accounts": tenant.may(Permission.MANAGE_SERVICE_ACCOUNTS),
        "is_new": not listing.lines and not bar.chips and not request.GET,
    }
    return frame.show(request, tenant, "keys/list.html", context)


def _fields(tenant: Tenant) -> list[filters.Field]:
    projects = tenant.projects().order_by("-is_default", "name")
    names = [(str(pk), name) for pk, name in projects.values_list("pk", "name")]
    found: list[filters.Field] = [
        Text("q", "Name or key", "laptop, tg_live_…"),
        Choice("state", "State", STATES),
        Choice("project", "Project", names),
    ]
    if tenant.may(Permission.SEE_ALL_KEYS):
        found.append(Choice("holder", "Held by", _holders(tenant)))
    return [*found, Text("model", "Has called the model", "openai/gpt-4o")]


def _holders(tenant: Tenant) -> list[tuple[str, str]]:
    organization = tenant.organization
    people = organization.memberships.order_by("user__email")
    accounts = organization.service_accounts.order_by("name")
    found = [
        *people.values_list("unit_id", "user__email"),
        *accounts.values_list("unit_id", "name"),
    ]
    return [(str(unit_id), name) for unit_id, name in found]


def _chosen(tenant: Tenant, bar: Filters) -> QuerySet[ApiKey]:
    found = tenant.visible_keys().select_related("project", "spender__holder")
    if text := bar.get("q"):
        public_id = text.removeprefix("tg_live_")[:8]
        found = found.filter(
            Q(name__icontains=text) | Q(public_id=public_id) | Q(last4=text)
        )
    if project := bar.get("project"):
        found = found.filter(project=int(project))
    if holder := bar.get("holder"):
        found = found.filter(spender__holder=int(holder))
    if model := bar.get("model"):
        used = UsageRollup.objects.filter(
            account=tenant.organization.account_id, model__iexact=model
        )
        secrets = KeySecret.objects.filter(spender__in=used.values("spender_id"))
        found = found.filter(pk__in=secrets.values("key_id"))
    return _in_state(found, bar.get("state"))


def _in_state(found: QuerySet[ApiKey], state: str) -> QuerySet[ApiKey]:
    now = timezone.now()
    is_over = Q(spender__closes_at__lte=now)
    standing = found.filter(revoked_at=None)
    match state:
        case "active":
            return standing.filter(~is_over | Q(spender__closes_at=None)).filter(
                disabled_at=None
            )
        case "disabled":
            return standing.exclude(disabled_at=None).exclude(is_over)
        case "expired":
            return standing.filter(is_over)
        case "revoked":
            return found.exclude(revoked_at=None)
        case "unused":
            recent = UsageRollup.objects.filter(
                spender__secret__key=OuterRef("pk"),
                starts_at__gte=now - timedelta(days=UNUSED_DAYS),
            )
            return _in_state(found, "active").exclude(Exists(recent))
    return found


# --- several at once ---------------------------------------------------------------

# What the button says: the operation, and what it says it did.
ACTS: dict[str, tuple[Callable[..., Any], str]] = {
    "disable": (key_edits.disable, "disabled"),
    "enable": (key_edits.enable, "enabled"),
    "revoke": (keys.revoke, "revoked"),
}


@tenancy.page(*navigation.KEYS)
@require_POST
def key_bulk(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """Asks first, with the names, and does it when that page is sent. Done again, as
    by a double click, it changes nothing more."""
    act = request.POST.get("act", "")
    if act not in ACTS:
        raise Http404
    chosen = _ticked(request, tenant)
    if not chosen:
        messages.warning(request, "Tick the keys that you mean first.")
        return redirect("keys", tenant.organization.slug)
    if "confirmed" not in request.POST:
        context = {"act": act, "chosen": rows(tenant, chosen)}
        return frame.show(request, tenant, "keys/bulk.html", context)
    operation, done = ACTS[act]
    for key in chosen:
        operation(key, actor=audit.actor_of(request))
    count = f"{len(chosen)} key" + ("" if len(chosen) == 1 else "s")
    messages.success(request, f"{count} {done}.")
    return redirect("keys", tenant.organization.slug)


def _ticked(request: HttpRequest, tenant: Tenant) -> list[ApiKey]:
    """Raises: Http404 when one of them may not be changed, or is none."""
    ids = set(request.POST.getlist("key")[: AT_ONCE_MAX + 1])
    if len(ids) > AT_ONCE_MAX:
        raise Http404
    visible = tenant.visible_keys().select_related("project", "spender__holder")
    found = visible.filter(pk__in=[_uuid(each) for each in ids])
    chosen = list(found.order_by("created_at", "pk"))
    if len(chosen) != len(ids) or not all(map(tenant.may_change, chosen)):
        raise Http404
    return chosen


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
