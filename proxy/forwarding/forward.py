"""The call to the upstream and what its answer means, in money and to the client."""

from __future__ import annotations

import logging
from typing import Any

import orjson
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from billing.values.amounts import whole_credits
from billing.values.crashpoints import crashpoint
from billing.values.errors import LedgerError
from proxy.calls import usage_shown as customer_usage
from proxy.calls.exchange import Exchange
from proxy.forwarding.streaming import as_events, stream_reply
from proxy.http.errors import INVALID, RATE, SERVER, GatewayError
from proxy.jobs import statements, submission
from proxy.operations import chat
from proxy.upstream import client
from proxy.upstream.client import Ambiguous, NotSent, Reply
from proxy.upstream.redaction import scrubbed, without_key

logger = logging.getLogger(__name__)

# The client's own mistakes, as the upstream sees them: passed on as they are.
CLIENT_ERRORS = (400, 404, 413, 415, 422)
OUR_ACCOUNT = (401, 402, 403)
RETRY_AFTER_SECONDS_MAX = 60
MESSAGE_LENGTH_MAX = 500


async def forward(exchange: Exchange) -> HttpResponseBase:
    """Make the call that `exchange` holds credits for, and settle it.

    Raises: GatewayError. The hold is resolved on every way out, unless the books do
    not answer: then it falls due.
    """
    try:
        return await _forward(exchange)
    except GatewayError:
        raise
    except LedgerError:
        raise _unsettled() from None
    except Exception:  # noqa: BLE001  resolved here, then raised again
        # A job that the upstream has taken goes on, whatever happens here.
        if exchange.resolved is None and not exchange.job_id:
            await exchange.doubt("internal_error")
        raise
    finally:
        if exchange.call.mode != "sync":
            await submission.conclude(exchange)


async def _forward(exchange: Exchange) -> HttpResponseBase:
    call = exchange.call
    job = None if call.mode == "sync" else await submission.intend(exchange)
    try:
        reply = await client.client().post(call.path, call.content)
        if reply.status != 200:
            raise await _refused(exchange, reply)
        if reply.is_encoded:
            await reply.close()
            raise Ambiguous("upstream_encoded_reply")
        if call.stream and reply.content_type == "text/event-stream":
            return stream_reply(exchange, reply)
        document = _document(reply, await reply.read())
        accepted = job and statements.accepted(document)
        if not accepted and _is_error(document):
            raise Ambiguous("upstream_error_in_200")
    except NotSent as fault:
        await exchange.release(fault.reason)
        raise _unreachable() from None
    except Ambiguous as fault:
        await exchange.doubt(fault.reason)
        raise ambiguous(fault.reason) from None
    if job and accepted:
        return await submission.accept(exchange, job, accepted)
    return await _answer(exchange, reply, document)


def _document(reply: Reply, content: bytes) -> dict[str, Any]:
    """Raises: Ambiguous when a 200 is not a JSON object after all."""
    if "json" not in reply.content_type:
        raise Ambiguous("upstream_not_json")
    try:
        document = orjson.loads(scrubbed(content))
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise Ambiguous("upstream_not_json")
    return document


def _is_error(document: dict[str, Any]) -> bool:
    """Whether a 200 is an error without a price: an estimate would charge for it."""
    return isinstance(document.get("error"), dict) and "usage" not in document


async def _answer(
    exchange: Exchange, reply: Reply, document: dict[str, Any]
) -> HttpResponseBase:
    """Settle, then answer: the last byte leaves after the charge is on disk."""
    call = exchange.call
    crashpoint("call.read")
    upstream_id = document.get("id")
    units = call.count(call, document)
    resolved = await exchange.settle(
        document.get("usage"),
        counted=units,
        upstream_id=upstream_id if isinstance(upstream_id, str) else reply.request_id,
    )
    said = document.get("usage")
    usage = said if isinstance(said, dict) else {}
    if call.operation == chat.NAME:
        usage = customer_usage.with_tokens(usage, units)
    if usage is not said or usage.get("credits_used") != whole_credits(
        resolved.charged_micros
    ):
        document["usage"] = customer_usage.charged(usage, resolved.charged_micros)
    headers = exchange.headers()
    if call.stream:
        return HttpResponse(
            as_events(document, call.wants_usage),
            headers=headers,
            content_type="text/event-stream",
        )
    return await call.answer(document, headers)


async def _refused(exchange: Exchange, reply: Reply) -> GatewayError:
    """What a status other than 200 means; the hold is resolved accordingly."""
    try:
        content = await reply.read()
    except Ambiguous:
        content = b""
    status = reply.status
    if (status >= 500 and status != 503) or 200 < status < 300:
        # It may have worked, and charged, before it failed (or a proxy before it
        # did: 520 to 524).
        await exchange.doubt(f"upstream_{status}")
        return ambiguous(f"upstream_{status}")
    await exchange.release(f"upstream_{status}")
    if status == 429:
        return GatewayError(
            429,
            RATE,
            "upstream_rate_limited",
            "The upstream is at its rate limit. Nothing was charged; try again soon.",
            should_retry=None,
            retry_after_seconds=_retry_after(reply),
        )
    if status in CLIENT_ERRORS:
        message, code, param = _error_fields(content)
        return GatewayError(status, INVALID, code, message, param)
    if status in OUR_ACCOUNT:
        logger.error("the upstream refused our own account with %d", status)
        return GatewayError(
            503,
            SERVER,
            "upstream_unavailable",
            "The upstream is not available to this gateway at the moment. The "
            "operator has been told; nothing was charged.",
        )
    return GatewayError(
        503 if status == 503 else 502,
        SERVER,
        "upstream_error",
        "The upstream could not take the call. Nothing was charged.",
        should_retry=status == 503,
        retry_after_seconds=1 if status == 503 else None,
    )


def _retry_after(reply: Reply) -> int:
    """The upstream's own wish, within reason."""
    wish = reply.retry_after
    return min(int(wish), RETRY_AFTER_SECONDS_MAX) if wish.isdigit() else 1


def _error_fields(content: bytes) -> tuple[str, str, str | None]:
    """Message, code and param of the upstream's error."""
    try:
        error = orjson.loads(content)["error"]
        message, code, param = error["message"], error.get("code"), error.get("param")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return "The upstream refused the request.", "upstream_refused", None
    return (
        without_key(str(message))[:MESSAGE_LENGTH_MAX],
        without_key(code)[:64] if isinstance(code, str) else "upstream_refused",
        without_key(param)[:64] if isinstance(param, str) else None,
    )


def _unreachable() -> GatewayError:
    return GatewayError(
        502,
        SERVER,
        "upstream_error",
        "The upstream cannot be reached. Nothing was sent, nothing was charged.",
        should_retry=True,
        retry_after_seconds=1,
    )


def _unsettled() -> GatewayError:
    """Not the 503 of a call that was never made: to try this one again would pay the
    upstream twice."""
    return GatewayError(
        503,
        SERVER,
        "ledger_unavailable",
        "The call was made, but the ledger does not answer, so it could not be "
        "settled. The credits stay held until that is resolved.",
    )


def ambiguous(reason: str) -> GatewayError:
    """502 or 504 where the upstream may have charged: not to be tried again blindly."""
    return GatewayError(
        504 if reason == "upstream_timeout" else 502,
        SERVER,
        "upstream_ambiguous",
        "The upstream took the request but gave no usable answer. Whether it did the "
        "work is not known yet: the credits stay held until that is resolved.",
        metadata={"reason": reason},
    )
