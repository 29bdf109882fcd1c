"""`GET /v1/credits`: what there is to spend, and until when. Free.

The organization's credits are told to a key that may read them
(`portal/tenants/key_rights.py`), to any other key the limits above it.
"""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from billing.reports.balance import balance_of
from billing.reports.credits import Funds, funds_of
from portal.tenants.keys import Identity
from proxy.http import reply
from proxy.process.database import read_for
from proxy.views.base import AsyncAPIView
from proxy.views.fields import amount, seconds
from proxy.views.limits import chain_of

EXPIRIES_MAX = 100


class CreditsView(AsyncAPIView):
    is_for_suspended = True

    async def get(self, request: Request) -> HttpResponseBase:
        identity = self.identity
        return reply.json(
            await read_for(identity.account_id, lambda: describe(identity))
        )


def describe(identity: Identity) -> dict[str, Any]:
    """As of now. Blocks."""
    funds = funds_of(identity.account_id) if identity.sees_balance else None
    balance = funds.balance if funds else balance_of(identity.account_id)
    chain = chain_of(identity, balance)
    return {
        "object": "credits",
        "organization": identity.organization_slug,
        "sees_balance": identity.sees_balance,
        **_told(funds),
        "limits": chain.credits,
        "binds": chain.binds_for(identity),
    }


def _told(funds: Funds | None) -> dict[str, Any]:
    """Nulls where the key may not read them."""
    names = ("purchased", "granted", "balance", "held", "in_doubt", "available", "owed")
    if funds is None:
        untold = {key: None for name in names for key in amount(name, None)}
        return {**untold, "expiring": None}
    balance = funds.balance
    micros = (
        *(funds.purchased_micros, funds.granted_micros, balance.balance_micros),
        *(balance.held_micros, funds.in_doubt_micros),
        *(balance.available_micros, balance.owed_micros),
    )
    told: dict[str, Any] = {}
    for name, each in zip(names, micros, strict=True):
        told |= amount(name, each)
    told["expiring"] = [
        {
            "expires_at": seconds(lapse.at),
            "source": lapse.source,
            **amount("remaining", lapse.remaining_micros),
        }
        for lapse in funds.expiring[:EXPIRIES_MAX]
    ]
    return told
