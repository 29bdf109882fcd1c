"""`POST /v1/quote`: what a call would hold, and whether it would pass. Free.

A quote reads and prices a call as the call itself is read and priced, so the two
cannot name different amounts. No credits are held, and no operation has code here.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from billing.pricing.rates import Rates
from billing.reports.balance import Balance, balance_of
from billing.values import clock
from billing.values.amounts import credits_text
from portal.tenants.keys import Identity
from proxy.calls import exchange
from proxy.calls.call import Call, Incoming, Operation
from proxy.http import refusals, reply
from proxy.operations import OPERATIONS
from proxy.process.database import read
from proxy.views.base import AsyncAPIView, as_incoming, read_json
from proxy.views.fields import amount, funds, seconds

CAPS = ("max_tokens", "max_completion_tokens")  # both cap the answer


class QuoteView(AsyncAPIView):
    async def post(self, request: Request) -> HttpResponseBase:
        identity = self.identity
        body = await read_json(request, bytes_max=settings.GATEWAY_BODY_BYTES_MAX)
        asked = parse(as_incoming(request, body))
        # A long body is read several times: others' calls go on meanwhile.
        call = await asyncio.to_thread(asked.call)
        rates = await exchange.rates_for(call)
        balance = await read(lambda: balance_of(identity.account_id))
        return reply.json(
            await asyncio.to_thread(quote, asked, call, rates, balance, identity)
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """The call that a quote is about."""

    operation: Operation
    incoming: Incoming

    def call(self) -> Call:
        """Raises: GatewayError (400), as the call itself would."""
        return self.operation.read(self.incoming)

    def capped(self, tokens: int) -> Call:
        """The same call with another `max_tokens`. Raises: GatewayError (400)."""
        document = {
            name: value
            for name, value in self.incoming.document.items()
            if name not in CAPS
        }
        document["max_tokens"] = tokens
        return self.operation.read(replace(self.incoming, document=document))


def parse(incoming: Incoming) -> Asked:
    """What is asked: `{"operation", "request": {…}}`, or the call's own body with the
    operation in the query. The rest of the query is the call's.

    Raises: GatewayError (400).
    """
    query = dict(incoming.query)
    document = incoming.document
    if "operation" in query:
        name: Any = query.pop("operation")
        document = document if set(document) != {"request"} else document["request"]
    else:
        if unknown := sorted(set(document) - {"operation", "request"}):
            raise refusals.invalid(
                f"A quote is asked with operation and request, not {unknown[0][:80]}.",
                param=unknown[0][:80],
            )
        name, document = document.get("operation"), document.get("request", {})
    if not isinstance(document, dict):
        raise refusals.invalid(
            "request must be the call's body, an object.", param="request"
        )
    return Asked(_operation(name), replace(incoming, document=document, query=query))


def _operation(name: Any) -> Operation:
    """By its name, or by its route with or without the /v1/ before it."""
    if isinstance(name, str):
        route = name.strip("/").removeprefix("v1/")
        for operation in OPERATIONS:
            if name == operation.name or route == operation.route:
                return operation
    known = ", ".join(dict.fromkeys(operation.name for operation in OPERATIONS))
    raise refusals.invalid(f"operation must be one of {known}.", param="operation")


def quote(
    asked: Asked, call: Call, rates: Rates, balance: Balance, identity: Identity
) -> dict[str, Any]:
    """The answer, from rates and a balance that were read a moment ago."""
    held = balance.hold_micros(rates.cost_micros(call.most))
    checks = list(_checks(held, balance, identity))
    passes = all(check["passes"] for check in checks)
    tokens = most_tokens(asked, call, rates, balance)
    return {
        "object": "quote",
        "operation": call.operation,
        "model": call.model,
        **amount("hold", held),
        "passes": passes,
        **funds(balance),
        "checks": checks,
        "max_tokens": tokens,
        "suggestion": None if passes else _suggestion(held, tokens, balance, identity),
    }


def _checks(
    held: int, balance: Balance, identity: Identity
) -> Iterator[dict[str, Any]]:
    """All that the hold itself will check, in its order."""
    yield {"name": "organization", "passes": balance.is_open}
    closes_at = identity.closes_at
    yield {
        "name": "key",
        "passes": closes_at is None or closes_at > clock.now(),
        "expires_at": seconds(closes_at),
    }
    yield {
        "name": "credits",
        "passes": held <= balance.available_micros,
        **amount("required", held),
        **amount("available", balance.available_micros),
        **amount("held", balance.held_micros),
    }


def most_tokens(asked: Asked, call: Call, rates: Rates, balance: Balance) -> int | None:
    """The largest `max_tokens` with which the call would pass now; 0 when not even
    one does, None for calls that have no such cap.

    Each digit of `max_tokens` makes the body longer, and its bytes are priced. So the
    call is read again for each number of digits; between those it is arithmetic.
    """
    if not call.most.completion_tokens:
        return None
    highest = rates.completion_tokens_max
    for digits in range(len(str(highest)), 0, -1):
        low, high = 10 ** (digits - 1), min(10**digits - 1, highest)
        largest = _largest(asked.capped(low), low, high, rates, balance)
        if largest is not None:
            return largest
    return 0


def _largest(
    call: Call, low: int, high: int, rates: Rates, balance: Balance
) -> int | None:
    """The largest cap from `low`, which is the call's, to `high` that fits, if any."""
    choices = call.most.completion_tokens // low

    def held(tokens: int) -> int:
        units = replace(call.most, completion_tokens=tokens * choices)
        return balance.hold_micros(rates.cost_micros(units))

    fitting = bisect_right(range(low, high + 1), balance.available_micros, key=held)
    return low + fitting - 1 if fitting else None


def _suggestion(
    held: int, tokens: int | None, balance: Balance, identity: Identity
) -> str:
    if not balance.is_open:
        return "This organization is suspended. Ask your operator."
    if held <= balance.available_micros:
        return "This key has expired. Ask for a new one."
    page = f"{settings.PUBLIC_URL}/o/{identity.organization_slug}/"
    add = f"add credits: {page}"
    if held <= balance.available_micros + balance.returning_micros:
        add = (
            f"try again when running calls have settled, which hold "
            f"{credits_text(balance.returning_micros)} credits"
        )
    lower = f"Lower max_tokens to at most {tokens}, or " if tokens else ""
    sentence = f"{lower}{add}"
    return sentence[0].upper() + sentence[1:]
