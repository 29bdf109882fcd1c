"""A plain call: forwarded, answered at once or as a stream, settled, answered."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from billing.values.amounts import whole_credits
from billing.values.crashpoints import crashpoint
from proxy.calls import usage_shown
from proxy.calls.exchange import Exchange
from proxy.calls.heeded import Heeded
from proxy.calls.numbering import as_chunk
from proxy.forwarding.send import accounted, document_of, refuse_error, sent
from proxy.forwarding.streaming import stream_reply
from proxy.http import sse
from proxy.http.sse import DONE, render
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
    said, upstream_id = document.get("usage"), document.get("id")
    if not isinstance(upstream_id, str):
        upstream_id = reply.request_id
    if call.wishes:
        heeded = Heeded(call.wishes, call.schema)
        heeded.take(document, "message")
        exchange.ignore(heeded.unheeded())
    units = call.count(call, document)
    end = await exchange.settle(said, counted=units, upstream_id=upstream_id)
    usage = call.complete_usage(said if isinstance(said, dict) else {}, units)
    charged = whole_credits(end.charged_micros)
    if usage is not said or usage.get("credits_used") != charged:
        document["usage"] = usage_shown.charged(usage, end.charged_micros)
    headers = exchange.headers()
    if call.stream:
        return HttpResponse(
            _as_events(exchange, document),
            headers={**headers, **sse.HEADERS},
            content_type="text/event-stream",
        )
    return await call.answer(document, headers)


def _as_events(exchange: Exchange, document: dict[str, Any]) -> bytes:
    """A whole answer as a stream: one chunk, its usage if it was asked for, the end."""
    call = exchange.call
    usage = document.pop("usage", None)
    chunk = as_chunk(document)
    if call.events:
        told = call.events(exchange.headers())
        return told.begin() + told.feed(chunk) + told.end(usage)
    # Code that reads choices[0] of every chunk breaks on one without any.
    events = render(chunk) if chunk["choices"] else b""
    if call.wants_usage and usage is not None:
        events += render({**chunk, "choices": [], "usage": usage})
    return events + DONE
