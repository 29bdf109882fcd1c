"""`GET /v1/requests/{id}`: what became of a call of this key's organization. Free."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from billing.reports.calls import CallReport, find_call
from proxy.http import refusals, reply
from proxy.process.database import read_for
from proxy.views.base import AsyncAPIView
from proxy.views.fields import amount, seconds, uuid_in


class RequestView(AsyncAPIView):
    """For whoever lost the answer: whether it was made, and what it cost."""

    is_for_suspended = True

    async def get(self, request: Request, request_id: str) -> HttpResponseBase:
        """Raises: GatewayError (404), the same for another account's call as for
        none."""
        uuid, account_id = uuid_in(request_id, "req"), self.identity.account_id
        call = None
        if uuid:
            call = await read_for(account_id, lambda: find_call(account_id, uuid))
        if call is None:
            raise refusals.request_not_found(param="id")
        return reply.json(describe(call))


def describe(call: CallReport) -> dict[str, Any]:
    return {
        "object": "request",
        "id": call.request_id,
        "operation": call.operation,
        "model": call.model,
        "state": call.state,
        "created_at": seconds(call.placed_at),
        "ended_at": seconds(call.ended_at),
        "key": call.spender_label,
        "project": call.project_label or None,
        "holder": call.holder_label or None,
        "client": f"{call.client} {call.client_version}".strip() or None,
        "session": call.session or None,
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
