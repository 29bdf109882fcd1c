"""`GET /v1/key`: what this key is, what there is to spend, what it spent. Free."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from billing.reports.balance import balance_of
from billing.reports.spend import DaySpend, spend_by_day
from billing.values.orders import CREDIT
from portal.models import ApiKey, KeySecret
from portal.tenants.keys import Identity
from proxy.http import reply
from proxy.process.database import read_for
from proxy.views.base import AsyncAPIView
from proxy.views.fields import amount, funds, seconds
from proxy.views.limits import Chain, chain_of, of_a_minute

DAYS = 30


class KeyView(AsyncAPIView):
    is_for_suspended = True

    async def get(self, request: Request) -> HttpResponseBase:
        identity = self.identity
        found = await read_for(identity.account_id, lambda: describe(identity))
        found["limits"] += await of_a_minute(identity.rules)
        return reply.json(found)


def describe(identity: Identity) -> dict[str, Any]:
    """Of the key and its organization's credits, as of now. Blocks."""
    balance = balance_of(identity.account_id)
    chain = chain_of(identity, balance)
    row = ApiKey.objects.select_related("organization__account", "project").get(
        id=identity.key_id
    )
    secrets = {each.spender_id: each for each in KeySecret.objects.filter(key=row)}
    zone = row.organization.account.time_zone
    days = spend_by_day(
        identity.account_id,
        days=DAYS,
        spender_ids=list(secrets),
        zone=ZoneInfo(zone),
    )
    return {
        "object": "key",
        "id": row.public_id,
        "label": row.name,
        "hint": secrets[identity.spender_id].hint,
        "organization": {
            "slug": row.organization.slug,
            "name": row.organization.name,
            "time_zone": zone,
        },
        "project": {"slug": row.project.slug, "name": row.project.name},
        "created_at": seconds(row.created_at),
        "expires_at": seconds(identity.closes_at),
        **funds(balance if identity.sees_balance else None),
        **amount("owed", balance.owed_micros if identity.sees_balance else None),
        "usage": {"today": _spent(days[-1:]), f"last_{DAYS}_days": _spent(days)},
        "limits": chain.limits,
        "binds": chain.binds_for(identity),
        **_binding(chain),
        "allowed": _allowed(identity),
    }


def _binding(chain: Chain) -> dict[str, Any]:
    """By the two names that tools for other gateways look for, in credits; null where
    only the organization's balance binds."""
    binds = chain.binds
    if "limit_micros" not in binds:
        return {"limit": None, "limit_remaining": None}
    names = {"limit": "limit_micros", "limit_remaining": "left_micros"}
    return {name: _number(binds[micros]) for name, micros in names.items()}


def _number(micros: int) -> int | float:
    whole, rest = divmod(micros, CREDIT)
    return micros / CREDIT if rest else whole


def _allowed(identity: Identity) -> list[dict[str, Any]]:
    """The lists that a call has to be on, all of them. Networks are not told."""
    return [
        {
            "level": rule.level,
            "name": rule.name,
            "models": list(rule.models) or None,
            "operations": list(rule.operations) or None,
        }
        for rule in identity.rules
        if rule.models or rule.operations
    ]


def _spent(days: Sequence[DaySpend]) -> dict[str, Any]:
    return {
        "requests": sum(day.requests for day in days),
        **amount("charged", sum(day.charged_micros for day in days)),
    }
