"""Sending a call to the upstream, and what an answer that cannot be used means."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from billing.values import numbers
from billing.values.errors import LedgerError
from portal.runtime.shares import Crowded
from proxy.calls.exchange import Exchange
from proxy.http import foreign_json, refusals, shares, upstream_refusals
from proxy.http.errors import GatewayError
from proxy.upstream import client
from proxy.upstream.client import Ambiguous, NotSent, Reply
from proxy.upstream.redaction import scrubbed, without_key

logger = logging.getLogger(__name__)

# The client's own mistakes, as the upstream sees them: passed on as they are.
CLIENT_ERRORS = (400, 404, 413, 415, 422)
OUR_ACCOUNT = (401, 402, 403)
RETRY_AFTER_SECONDS_MAX = 60
MESSAGE_LENGTH_MAX = 500


@asynccontextmanager
async def accounted(exchange: Exchange) -> AsyncIterator[None]:
    """Whatever happens inside, the hold is resolved, unless the ledger does not answer:
    then it falls due. A job that has taken the call over goes on.

    Raises: GatewayError, and what nobody expected.
    """
    try:
        yield
    except GatewayError:
        raise
    except LedgerError:
        raise refusals.not_settled() from None
    except Exception:  # noqa: BLE001  resolved here, then raised again
        if exchange.end is None and not exchange.job_id:
            await exchange.doubt("internal_error")
        raise


@asynccontextmanager
async def sent(exchange: Exchange) -> AsyncIterator[Reply]:
    """Forward the call, once; the upstream's 200, to be understood inside. Where there
    is none, or what is inside raises Ambiguous, the hold is resolved here.

    Raises: GatewayError (4xx as the upstream's, 429, 502, 503, 504), LedgerUnavailable.
    """
    try:
        call, owner = exchange.call, exchange.identity.account_id
        reply = await client.shared().post(call.path, call.content, owner=owner)
        if reply.status != 200:
            raise await _refused(exchange, reply)
        if reply.is_encoded:
            await reply.close()
            raise Ambiguous("upstream_encoded_reply")
        yield reply
    except Crowded as crowded:
        await exchange.release("gateway_crowded")
        raise shares.calls_refused(is_own=crowded.is_own) from None
    except NotSent as fault:
        await exchange.release(fault.reason)
        raise upstream_refusals.upstream_unreachable() from None
    except Ambiguous as fault:
        await exchange.doubt(fault.reason)
        raise upstream_refusals.upstream_ambiguous(fault.reason) from None


async def document_of(reply: Reply) -> dict[str, Any]:
    """The JSON object in a 200. Raises: Ambiguous when it is none after all."""
    document = json_object(scrubbed(await reply.read()))
    if document is None or "json" not in reply.content_type:
        raise Ambiguous("upstream_not_json")
    return document


def json_object(content: bytes) -> dict[str, Any] | None:
    """The JSON object that `content` is; None when it is anything else."""
    try:
        document = foreign_json.parse(content)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def refuse_error(document: dict[str, Any]) -> None:
    """A 200 may be an error without a price, and an estimate would charge for it.

    Raises: Ambiguous.
    """
    is_error = isinstance(document.get("error"), dict | str) and document["error"]
    if is_error and "usage" not in document:
        raise Ambiguous("upstream_error_in_200")


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
        return upstream_refusals.upstream_ambiguous(f"upstream_{status}")
    await exchange.release(f"upstream_{status}")
    if status == 429:
        # The upstream's own wish, within reason.
        wish = numbers.capped(reply.retry_after, most=RETRY_AFTER_SECONDS_MAX)
        seconds = 1 if wish is None else wish
        return upstream_refusals.upstream_rate_limited(retry_after_seconds=seconds)
    if status in CLIENT_ERRORS:
        return upstream_refusals.upstream_refused(status, *_error_fields(content))
    if status in OUR_ACCOUNT:
        logger.error("the upstream refused our own account with %d", status)
        return upstream_refusals.upstream_unavailable()
    return (
        upstream_refusals.upstream_busy()
        if status == 503
        else upstream_refusals.upstream_declined()
    )


def _words(said: Any) -> str:
    """An error's words, in whichever shape; FastAPI has a list of them."""
    if isinstance(said, list):
        parts = (each.get("msg") for each in said if isinstance(each, dict))
        return "; ".join(part for part in parts if isinstance(part, str))
    return said if isinstance(said, str) else ""


def _error_fields(content: bytes) -> tuple[str, str, str | None]:
    """Message, code and param of the upstream's error, as far as it names them."""
    document = json_object(content) or {}
    error = document.get("error")
    error = error if isinstance(error, dict) else document
    said = (_words(error.get(name)) for name in ("message", "error", "detail"))
    message = next(filter(None, said), "")
    code, param = error.get("code"), error.get("param")
    return (
        without_key(message)[:MESSAGE_LENGTH_MAX],
        without_key(code)[:64] if isinstance(code, str) else "",
        without_key(param)[:64] if isinstance(param, str) else None,
    )
