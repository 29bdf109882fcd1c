"""What a key may ask about itself and about the calls of its organization. Free.

Plain documents, read from the database by functions that block: a reader thread
runs them (`proxy.process.database`). Amounts are credits as text and, named
`…_micros`, integers in microcredits; moments are Unix seconds, as everywhere in
OpenAI's API.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.reports.balance import Balance, balance_of
from billing.reports.calls import find_call
from billing.reports.spend import DaySpend, spend_by_day
from billing.values.amounts import credits_text
from portal.models import ApiKey
from portal.tenants.keys import Identity
from proxy.http import refusals

DAYS = 30
REQUEST_ID = re.compile(r"req_[0-9a-f]{32}")


def key(identity: Identity) -> dict[str, Any]:
    """What this key is, what there is to spend, and what it spent itself."""
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


def request(account_id: int, request_id: str) -> dict[str, Any]:
    """What became of one call: for whoever lost its answer, what it cost.

    Raises: GatewayError (404), the same for a stranger's call as for none.
    """
    well_formed = REQUEST_ID.fullmatch(request_id)
    call = (
        find_call(account_id, UUID(request_id.removeprefix("req_")))
        if well_formed
        else None
    )
    if call is None:
        raise refusals.request_not_found()
    return {
        "object": "request",
        "id": call.request_id,
        "operation": call.operation,
        "model": call.model,
        "state": call.state,
        "created_at": seconds(call.placed_at),
        "ended_at": seconds(call.ended_at),
        "key": call.spender_label,
        **amount("held", call.held_micros),
        **amount("charged", call.charged_micros),
        # At the organization's own price: the upstream's would tell what the
        # operator pays. More than was charged is borne by the operator.
        **amount("price", call.price_micros),
        "basis": call.basis or None,
        "flags": call.flags.split(),
        "prompt_tokens": call.prompt_tokens,
        "completion_tokens": call.completion_tokens,
        "reason": call.reason or None,
    }


def funds(balance: Balance) -> dict[str, Any]:
    """What there is: all of it, what running calls hold, what a new call may use."""
    return {
        **amount("balance", balance.balance_micros),
        **amount("held", balance.held_micros),
        **amount("available", balance.available_micros),
    }


def amount(name: str, micros: int | None) -> dict[str, Any]:
    """An amount twice: to be read, and to be reckoned with. None: nobody knows."""
    text = None if micros is None else credits_text(micros)
    return {name: text, f"{name}_micros": micros}


def seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _spent(days: Sequence[DaySpend]) -> dict[str, Any]:
    return {
        "requests": sum(day.requests for day in days),
        **amount("charged", sum(day.charged_micros for day in days)),
    }
