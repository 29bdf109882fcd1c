"""One delivery: what was sent, each attempt, and sending it again."""

from __future__ import annotations

import json
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST, require_safe

from portal.models import Delivery, DeliveryState
from portal.notices import by_hand, signing
from portal.pages.notices.webhooks import state_of, webhook_of
from portal.pages.parts import frame, navigation
from portal.tenants import audit, tenancy
from portal.tenants.tenancy import Tenant

ATTEMPTS_MAX = 50


def _delivery_of(tenant: Tenant, endpoint_id: UUID, delivery_id: int) -> Delivery:
    """Raises: Http404."""
    found = Delivery.objects.filter(endpoint=webhook_of(tenant, endpoint_id))
    related = found.select_related("event", "endpoint__organization")
    return get_object_or_404(related, pk=delivery_id)


@require_safe
@tenancy.page(*navigation.WEBHOOKS)
def delivery_page(
    request: HttpRequest, tenant: Tenant, endpoint_id: UUID, delivery_id: int
) -> HttpResponse:
    delivery = _delivery_of(tenant, endpoint_id, delivery_id)
    body = json.loads(signing.body_of(delivery.event))
    context = {
        "delivery": delivery,
        "endpoint": delivery.endpoint,
        "attempts": delivery.attempts.order_by("-pk")[:ATTEMPTS_MAX],
        "state": state_of(delivery),
        "body": json.dumps(body, indent=2),
        "may_replay": delivery.state != DeliveryState.PENDING,
    }
    return frame.show(request, tenant, "webhooks/delivery.html", context)


@tenancy.page(*navigation.WEBHOOKS)
@require_POST
def delivery_replay(
    request: HttpRequest, tenant: Tenant, endpoint_id: UUID, delivery_id: int
) -> HttpResponse:
    delivery = _delivery_of(tenant, endpoint_id, delivery_id)
    if by_hand.replay(delivery, actor=audit.actor_of(request)):
        messages.success(request, "It is sent again now, under the same id.")
    else:
        messages.info(request, "It waits to be sent already.")
    return redirect("delivery", tenant.organization.slug, endpoint_id, delivery_id)
