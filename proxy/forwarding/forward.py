"""A plain call: forwarded, answered at once or as a stream, settled, answered."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from billing.values.amounts import whole_credits
from billing.values.crashpoints import crashpoint
from proxy.calls import usage_shown
from proxy.calls.exchange import Exchange
from proxy.forwarding.send import accounted, document_of, refuse_error, sent
from proxy.forwarding.streaming import stream_reply
from proxy.forwarding.whole_answers import as_events
from proxy.upstream.client import Reply


async def forward(exchange: Exchange) -> HttpResponseBase:
    """Make the call that `exchange` holds credits for, and settle it.

    Raises: GatewayError. The hold is resolved on every way out, unless the ledger does
    not answer: then it falls due.
    """
    async with accounted(exchange):
        async with sent(exchange) as reply:
            if exchange.call.stream and reply.content_type == "text/event-stream":
                return stream_reply(exchange, reply)
            document = await document_of(reply)
            refuse_error(document)
        return await answer(exchange, reply, document)


async def answer(
    exchange: Exchange, reply: Reply, document: dict[str, Any]
) -> HttpResponseBase:
    """Settle, then answer: the last byte leaves after the charge is on disk.

    Raises: LedgerUnavailable; GatewayError where the answer lacks what was paid for.
    """
    call = exchange.call
    crashpoint("call.read")
    upstream_id = document.get("id")
    units = call.count(call, document)
    end = await exchange.settle(
        document.get("usage"),
        counted=units,
        upstream_id=upstream_id if isinstance(upstream_id, str) else reply.request_id,
    )
    said = document.get("usage")
    usage = call.complete_usage(said if isinstance(said, dict) else {}, units)
    if usage is not said or usage.get("credits_used") != whole_credits(
        end.charged_micros
    ):
        document["usage"] = usage_shown.charged(usage, end.charged_micros)
    headers = exchange.headers()
    if call.stream:
        return HttpResponse(
            as_events(document, call.wants_usage),
            headers=headers,
            content_type="text/event-stream",
        )
    return await call.answer(document, headers)
