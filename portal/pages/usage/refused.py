"""What the gateway refused, and why: numbers by code, and the latest of each key. It is
Activity's list where its filter says "refused", and a request's page where it was."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.utils.module_loading import import_string

from billing.reports import keys
from billing.reports.periods import Range
from billing.reports.usage import Chosen, Dimension
from portal.models import RefusedRequest
from portal.pages.parts import frame, tables
from portal.pages.parts.filters import Filters
from portal.pages.parts.tables import Column, Kind, Table
from portal.pages.usage import attention
from portal.tenants import refused, sight
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

STATE = ("refused", "Refused")
DIMENSIONS = (Dimension.KEY, Dimension.HOLDER)
# The page where it can be changed, and the rights of which one opens it.
LIMITS = (Permission.MANAGE_BUDGETS, Permission.SEE_USAGE, Permission.SEE_OWN_USAGE)
OWN_KEYS = (Permission.SEE_ALL_KEYS, Permission.SEE_OWN_KEYS)
WHERE: dict[str, tuple[str, tuple[Permission, ...]]] = {
    "budget_exceeded": ("budgets", LIMITS),
    "insufficient_credits": ("credits", (Permission.SEE_MONEY,)),
    "debt_unpaid": ("credits", (Permission.SEE_MONEY,)),
    "envelope_exhausted": ("runs", LIMITS),
    "envelope_closed": ("runs", LIMITS),
    "model_not_found": ("models", (Permission.SEE_PRICES,)),
    **dict.fromkeys(
        (
            *("key_revoked", "key_expired", "key_disabled", "key_holder_disabled"),
            *("project_archived", "rate_limit_exceeded", "model_not_allowed"),
            *("operation_not_allowed", "address_not_allowed"),
        ),
        ("keys", OWN_KEYS),
    ),
}


class Row(NamedTuple):
    """A refused request, as the list has it."""

    request: RefusedRequest
    key: str
    holder: str
    message: str


class Counted(NamedTuple):
    """So many of one code, what it means, and where it can be changed."""

    code: str
    requests: int
    words: Any
    url: str


TABLE = Table(
    name="refused",
    caption=f"The latest {refused.LATEST} of each key, the newest first",
    columns=(
        Column(
            "time",
            "Time",
            "request.at",
            Kind.TIME,
            order="at",
            template="activity/refused_time.html",
        ),
        Column("request_id", "Request", "request.request_id", is_in_page=False),
        Column("status", "Status", "request.status", Kind.CODE),
        Column("code", "Why", "request.code", Kind.CODE),
        Column("message", "What was said", "message"),
        Column("operation", "Operation", "request.operation"),
        Column("model", "Model", "request.model"),
        Column(
            "key",
            "Key",
            "key",
            filters="key",
            filters_to="request.spender_id",
        ),
        Column(
            "holder",
            "Held by",
            "holder",
            filters="holder",
            filters_to="request.holder_id",
        ),
    ),
    sort="-time",
    empty="No refused request of this time is kept.",
)


def known_of(params: QueryDict) -> QueryDict:
    """Without the filters that ask for what is only known of calls."""
    left = params.copy()
    others = [each.value for each in Dimension if each not in DIMENSIONS]
    for name in (*others, "streamed", "flag", "id"):
        left.pop(name, None)
    return left


def show(
    request: HttpRequest, tenant: Tenant, bar: Filters, chosen: Chosen
) -> HttpResponseBase:
    """`chosen`: of which keys and holders."""
    organization_id, span = tenant.organization.pk, bar.span
    rows = refused.requests_of(organization_id, chosen).filter(
        at__gte=span.since, at__lt=span.until
    )
    known = [each.value for each in sight.dimensions(tenant)]
    table = TABLE.without(*{"key", "holder"}.difference(known))

    def prepared(page: list[RefusedRequest]) -> list[Row]:
        return _rows(tenant, page)

    if tables.wants_csv(request):
        return table.csv(request, rows, prepare=prepared)
    counts = refused.counted(organization_id, chosen, Range(span.since, span.until))
    context = {
        "filters": bar,
        "listing": table.show(request, rows, prepare=prepared),
        "counts": [_counted(tenant, code, number) for code, number in counts],
        "total": sum(number for _, number in counts),
        "kept_days": refused.KEPT.days,
        "sees_own_only": sight.sees_own_only(tenant),
    }
    return frame.show(
        request, tenant, "activity/refused.html", context, current="activity"
    )


def find(tenant: Tenant, request_id: UUID) -> RefusedRequest | None:
    """None for what this person may not see, and for what is not kept."""
    return refused.find(tenant.organization.pk, sight.usage_of(tenant), request_id)


def page(request: HttpRequest, tenant: Tenant, found: RefusedRequest) -> HttpResponse:
    """Of one refused request."""
    (row,) = _rows(tenant, [found])
    words = import_string(settings.REFUSAL_WORDS)(found.code)
    known = {each.value for each in sight.dimensions(tenant)}
    context = {
        "row": row,
        "words": words,
        "where_url": _where(tenant, found.code),
        "sees_key_names": "key" in known,
        "sees_members": "holder" in known,
        "kept_days": refused.KEPT.days,
        "kept": refused.LATEST,
    }
    return frame.show(
        request, tenant, "request/refused.html", context, current="activity"
    )


def _rows(tenant: Tenant, found: list[RefusedRequest]) -> list[Row]:
    """A message may name a key or a member: who may not see those reads what the code
    means."""
    named = keys.key_names({each.spender_id for each in found})
    holders = keys.unit_names({each.holder_id for each in found})
    is_told = tenant.may(Permission.SEE_KEY_NAMES)
    return [
        Row(
            each,
            named.get(each.spender_id, ""),
            holders.get(each.holder_id, ""),
            each.message if is_told else _meaning(each),
        )
        for each in found
    ]


def _meaning(each: RefusedRequest) -> str:
    meaning: str = import_string(settings.REFUSAL_WORDS)(each.code).meaning
    return meaning


def _counted(tenant: Tenant, code: str, number: int) -> Counted:
    words = import_string(settings.REFUSAL_WORDS)(code)
    return Counted(code, number, words, _where(tenant, code))


def _where(tenant: Tenant, code: str) -> str:
    """The page where it can be changed; "" where this person has none."""
    name, rights = WHERE.get(code, ("", ()))
    return attention.link(tenant, name) if name and tenant.may(*rights) else ""
