"""Webhooks: the list, and the page of one with its deliveries."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from portal.models import Delivery, DeliveryState, EndpointKind, WebhookEndpoint
from portal.notices import endpoints
from portal.pages.notices.snippet import VERIFY
from portal.pages.parts import filters, frame, navigation, tables
from portal.pages.parts.tables import Column, Kind, Table
from portal.tenants import tenancy
from portal.tenants.tenancy import Tenant

WORDS = {
    DeliveryState.PENDING: "waits",
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.FAILED: "given up",
}
STATES = [(state.value, word) for state, word in WORDS.items()]
WHY = {
    "by_hand": "disabled by hand",
    "gone": "disabled: it answered 410",
    "failing": "disabled: nothing came through for days",
}


def state_of(delivery: Delivery) -> str:
    return WORDS[DeliveryState(delivery.state)]


DELIVERIES = Table(
    name="deliveries",
    caption="Deliveries, the latest first",
    columns=(
        Column("event", "Event", "event.public_id", template="webhooks/event.html"),
        Column("type", "Type", "event.type", Kind.CODE),
        Column("state", "State", state_of, filters="state", filters_to="state"),
        Column("attempts", "Attempts", "attempt_count", Kind.COUNT),
        Column("created", "Happened", "created_at", Kind.AGO, order="id"),
        Column("next", "Next attempt", "shown_next", Kind.TIME),
    ),
    sort="-created",
    empty="Nothing was sent there yet. A test shows at once whether it works.",
)


def webhook_of(tenant: Tenant, endpoint_id: UUID) -> WebhookEndpoint:
    """Raises: Http404."""
    found = endpoints.of_organization(tenant.organization.pk, EndpointKind.WEBHOOK)
    return get_object_or_404(found.select_related("organization"), pk=endpoint_id)


@require_safe
@tenancy.page(*navigation.WEBHOOKS)
def webhook_list(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """At most as many as an organization may have: twenty."""
    found = endpoints.of_organization(tenant.organization.pk, EndpointKind.WEBHOOK)
    waiting = Count("deliveries", filter=Q(deliveries__state=DeliveryState.PENDING))
    rows = found.annotate(waiting=waiting).order_by("name", "pk")
    context = {"endpoints": [(row, _state(row)) for row in rows]}
    return frame.show(request, tenant, "webhooks/list.html", context)


@require_safe
@tenancy.page(*navigation.WEBHOOKS)
def webhook_page(
    request: HttpRequest, tenant: Tenant, endpoint_id: UUID
) -> HttpResponseBase:
    endpoint = webhook_of(tenant, endpoint_id)
    choices = (filters.Choice("state", "State", STATES),)
    bar = filters.read(request.GET, frame.zone_of(tenant), choices)
    found = deliveries_of(endpoint)
    if state := bar.get("state"):
        found = found.filter(state=state)
    if tables.wants_csv(request):
        return DELIVERIES.csv(request, found, prepare=shown)
    context = {
        "endpoint": endpoint,
        "state": _state(endpoint),
        "listing": DELIVERIES.show(request, found, prepare=shown),
        "filters": bar,
        "verify": VERIFY,
    }
    return frame.show(request, tenant, "webhooks/webhook.html", context)


def deliveries_of(endpoint: WebhookEndpoint) -> QuerySet[Delivery]:
    found = Delivery.objects.filter(endpoint=endpoint).select_related("event")
    return found.annotate(attempt_count=Count("attempts"))


def shown(rows: list[Delivery]) -> list[Delivery]:
    """What has ended is not due, whatever its row says."""
    for row in rows:
        is_due = row.state == DeliveryState.PENDING
        row.shown_next = row.next_at if is_due else None  # type: ignore[attr-defined]
    return rows


def _state(endpoint: WebhookEndpoint) -> str:
    if endpoint.disabled_at is not None:
        return WHY[endpoint.why_disabled]
    return "failing" if endpoint.failing_since else "active"
