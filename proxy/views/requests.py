"""`GET /v1/requests/{id}`: what became of a call of this key's organization. Free."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from billing.reports.calls import find_call
from proxy.http import refusals, reply
from proxy.process.database import read
from proxy.views.base import AsyncAPIView
from proxy.views.fields import amount, seconds

REQUEST_ID = re.compile(r"req_([0-9a-f]{32})")


class RequestView(AsyncAPIView):
    """For whoever lost the answer: whether it was made, and what it cost."""

    async def get(self, request: Request, request_id: str) -> HttpResponseBase:
        account_id = self.identity.account_id
        return reply.json(await read(lambda: describe(account_id, request_id)))


def describe(account_id: int, request_id: str) -> dict[str, Any]:
    """The account's call, as of now. Blocks.

    Raises: GatewayError (404), the same for another account's call as for none.
    """
    named = REQUEST_ID.fullmatch(request_id)
    call = find_call(account_id, UUID(named[1])) if named else None
    if call is None:
        raise refusals.request_not_found(param="id")
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
        # After the organization's factor: the cost before it would tell what the
        # operator pays. The operator bears what is above the charge.
        **amount("price", call.price_micros),
        "basis": call.basis or None,
        "flags": call.flags.split(),
        "prompt_tokens": call.prompt_tokens,
        "completion_tokens": call.completion_tokens,
        "reason": call.reason or None,
    }
