"""`GET /v1/key`: what this key is, what there is to spend, what it spent. Free."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from billing.reports.balance import balance_of
from billing.reports.spend import DaySpend, spend_by_day
from portal.models import ApiKey
from portal.tenants.keys import Identity
from proxy.http import reply
from proxy.process.database import read
from proxy.views.base import AsyncAPIView
from proxy.views.fields import amount, funds, seconds

DAYS = 30


class KeyView(AsyncAPIView):
    async def get(self, request: Request) -> HttpResponseBase:
        identity = self.identity
        return reply.json(await read(lambda: describe(identity)))


def describe(identity: Identity) -> dict[str, Any]:
    """Of the key and its organization's credits, as of now. Blocks."""
    row = ApiKey.objects.select_related("organization", "project", "spender").get(
        id=identity.key_id
    )
    days = spend_by_day(
        identity.account_id, days=DAYS, spender_ids=[identity.spender_id]
    )
    return {
        "object": "key",
        "id": row.public_id,
        "label": row.name,
        "hint": row.hint,
        "organization": {"slug": row.organization.slug, "name": row.organization.name},
        "project": {"slug": row.project.slug, "name": row.project.name},
        "created_at": seconds(row.created_at),
        "expires_at": seconds(row.expires_at),
        **funds(balance_of(identity.account_id)),
        "usage": {"today": _spent(days[-1:]), f"last_{DAYS}_days": _spent(days)},
        # Without limits of its own a key may spend all that is available; the two
        # names are those that tools for other gateways look for.
        "limits": [],
        "limit": None,
        "limit_remaining": None,
    }


def _spent(days: Sequence[DaySpend]) -> dict[str, Any]:
    return {
        "requests": sum(day.requests for day in days),
        **amount("charged", sum(day.charged_micros for day in days)),
    }
