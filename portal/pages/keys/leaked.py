"""A key that leaked: stop it first, then see what it did since, and from where."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from billing.reports import periods, usage
from billing.reports.usage import Chosen, Dimension, Figures
from billing.values import numbers
from billing.values.numbers import ID_MAX
from portal.models import ApiKey
from portal.pages.keys.key import changeable_key, rotate
from portal.pages.keys.rows import rows
from portal.pages.parts import filters, frame, navigation
from portal.pages.parts.filters import Range
from portal.tenants import audit, keys, sightings, tenancy
from portal.tenants.tenancy import Tenant


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(*navigation.KEYS)
@sensitive_variables()
def key_leaked(request: HttpRequest, tenant: Tenant, key_id: UUID) -> HttpResponse:
    key = changeable_key(tenant, key_id)
    match request.POST.get("act", ""):
        case "rotate":
            number = numbers.whole(request.POST.get("seen"), most=ID_MAX) or 0
            return rotate(request, tenant, key, timedelta(0), number)
        case "revoke":
            keys.revoke(key, actor=audit.actor_of(request))
            words = f"{key.name} is revoked: its next call is refused."
            messages.success(request, words)
            return redirect("key-leaked", tenant.organization.slug, key.pk)
    zone = frame.zone_of(tenant)
    bar = filters.read(request.GET, zone, [Range("7d")])
    [row] = rows(tenant, [key])
    context = {
        "key": key,
        "row": row,
        "filters": bar,
        **_deeds(tenant, key, bar.span.since, bar.span.until),
    }
    return frame.show(request, tenant, "keys/leaked.html", context)


def _deeds(
    tenant: Tenant, key: ApiKey, since: datetime, until: datetime
) -> dict[str, Any]:
    """What it did in that time, by whichever secret."""
    of_key = Chosen(tenant.organization.account_id).narrowed(
        Dimension.KEY, key.spender.limited_id
    )
    span = periods.Range(since, until)
    found: dict[str, Any] = {"total": usage.total(of_key, span)}
    for name, dimension in (
        ("by_model", Dimension.MODEL),
        ("by_client", Dimension.CLIENT),
    ):
        used = usage.figures(of_key, [span], [dimension])
        shares = [(subject[0], figures) for (_, subject), figures in used.items()]
        found[name] = sorted(shares, key=_most)
    found["addresses"] = sightings.of_key(key, since)
    found["kept_days"] = sightings.kept_days()
    return found


def _most(share: tuple[int | str, Figures]) -> tuple[int, int]:
    return -share[1].charged_micros, -share[1].requests
