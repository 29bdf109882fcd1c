"""`POST /v1/quote`: what a call would hold, and whether it would pass. Free.

It reads and prices a call as the call itself is read and priced, so the two cannot
name different amounts, and no operation has code here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from billing.pricing.rates import Units
from billing.reports.balance import Balance, balance_of
from billing.reports.bounds import Expectation, expectation
from billing.values import clock
from billing.values.amounts import credits_text
from portal.tenants.keys import Identity
from proxy.calls import exchange
from proxy.calls.bounds import Terms, terms_of
from proxy.calls.call import Call, Incoming, Operation
from proxy.http import refusals, reply, shares, upload_turns
from proxy.http.errors import GatewayError
from proxy.limits import allowed
from proxy.operations import OPERATIONS
from proxy.process.database import read_for
from proxy.views import limits
from proxy.views.base import (
    AsyncAPIView,
    as_incoming,
    read_json_now,
    uncompressed,
    understand,
    with_full_name,
)
from proxy.views.fields import amount, funds, seconds
from proxy.views.limits import Chain, Document, chain_of, of_a_minute


class QuoteView(AsyncAPIView):
    is_for_suspended = True

    async def post(self, request: Request) -> HttpResponseBase:
        identity = self.identity
        bytes_max = settings.GATEWAY_BODY_BYTES_MAX
        lean, owner = uncompressed(request), identity.account_id
        async with upload_turns.turn(lean, owner, bytes_max=bytes_max):
            body = await read_json_now(request, bytes_max=bytes_max)
            operation, incoming = parse(as_incoming(request, body))
            document = await with_full_name(incoming.document)
            incoming = replace(incoming, document=document)
            call = await understand(operation, incoming, identity, lean)
            terms = terms_of(call, await exchange.rates_for(call))
            price = await read_for(owner, lambda: Price.of(call, terms, identity))
            minutes = await of_a_minute(identity.rules)
            # A long body is read several times.
            tokens = await shares.read_apart(
                owner, lambda: most_tokens(operation, incoming, call, price)
            )
        return reply.json(quote(call, price, identity, tokens, minutes))


@dataclass(frozen=True, slots=True)
class Price:
    """All that decides what a call holds, read a moment ago."""

    terms: Terms
    balance: Balance
    expected: Expectation
    chain: Chain

    @classmethod
    def of(cls, call: Call, terms: Terms, identity: Identity) -> Price:
        account_id = identity.account_id
        balance = balance_of(account_id)
        return cls(
            terms,
            balance,
            expectation(account_id, call.operation, call.model, terms.shape),
            chain_of(identity, balance, model=call.model, operation=call.operation),
        )

    def hold_micros(self, units: Units) -> int:
        """As the ledger will have it."""
        tariff = self.terms.tariff_micros(units)
        cautious = self.terms.cautious_micros(units)
        return self.balance.hold_micros(self.expected.bound_micros(tariff, cautious))


def parse(incoming: Incoming) -> tuple[Operation, Incoming]:
    """The call that is asked about: `{"operation", "request": {…}}`, or the call's own
    body with the operation in the query. The rest of the query is the call's.

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
    return _operation(name), replace(incoming, document=document, query=query)


def _operation(name: Any) -> Operation:
    """By its name, or by its route with or without the /v1/ before it."""
    route = name.strip("/").removeprefix("v1/") if isinstance(name, str) else None
    for operation in OPERATIONS:
        if name == operation.name or route == operation.route:
            return operation
    known = ", ".join(dict.fromkeys(operation.name for operation in OPERATIONS))
    raise refusals.invalid(f"operation must be one of {known}.", param="operation")


def quote(
    call: Call,
    price: Price,
    identity: Identity,
    tokens: int | None,
    minutes: Sequence[Document],
) -> dict[str, Any]:
    """The answer; `tokens` is the largest `max_tokens` that would pass."""
    balance, held = price.balance, price.hold_micros(call.most)
    expected, closes_at = price.expected, identity.closes_at
    checks: list[dict[str, Any]] = [
        {"name": "organization", "passes": balance.is_open},
        {
            "name": "key",
            "passes": closes_at is None or closes_at > clock.now(),
            "expires_at": seconds(closes_at),
        },
        *_debt(balance, identity),
        *_allowed(call, identity),
        # Paused until the operator has looked.
        *({"name": "pause", "passes": False, "of": of} for of in _paused(expected)),
        *limits.checks(
            price.chain, minutes, required_micros=held, tokens=call.tokens_guess
        ),
    ]
    if identity.run_id is None:  # else all it has was set aside
        checks.append(
            {
                "name": "credits",
                "passes": held <= balance.available_micros,
                **amount("required", held),
                **_told("available", balance.available_micros, identity),
                **_told("held", balance.held_micros, identity),
            }
        )
    failing = [check for check in checks if not check["passes"]]
    return {
        "object": "quote",
        "operation": call.operation,
        "model": call.model,
        **amount("hold", held),
        "passes": not failing,
        **funds(balance if identity.sees_balance else None),
        "checks": checks,
        "binds": price.chain.binds_for(identity),
        "max_tokens": tokens,
        "suggestion": _suggestion(failing[0], held, tokens, price, identity)
        if failing
        else None,
    }


def _told(name: str, micros: int, identity: Identity) -> dict[str, Any]:
    """Of the organization's credits, to a key that may read them."""
    return amount(name, micros if identity.sees_balance else None)


def _debt(balance: Balance, identity: Identity) -> list[dict[str, Any]]:
    """What the organization owes, if it does."""
    owed = balance.owed_micros
    if not owed:
        return []
    return [{"name": "debt", "passes": False, **_told("owed", owed, identity)}]


def _allowed(call: Call, identity: Identity) -> list[dict[str, Any]]:
    """The first list that the call is not on, if there is one."""
    try:
        allowed.check_call(identity, call.operation, call.model)
    except GatewayError as error:
        told = {"code": error.code, "message": error.message, **error.metadata}
        return [
            {**told, "name": "allowed", "of": error.metadata["name"], "passes": False}
        ]
    return []


def _paused(expected: Expectation) -> list[str]:
    found = {
        "organization": expected.is_organization_paused,
        "model": expected.is_model_paused,
    }
    return [of for of, is_paused in found.items() if is_paused]


def most_tokens(
    operation: Operation, incoming: Incoming, call: Call, price: Price
) -> int | None:
    """The largest `max_tokens` with which the call would pass now; 0 when not even
    one does, None for calls that have no such cap.

    Each digit of `max_tokens` makes the body longer, and its bytes are priced. So the
    call is read again for each number of digits; between those it is arithmetic.
    """
    if not call.most.completion_tokens:
        return None
    highest = price.terms.rates.completion_tokens_max
    for digits in range(len(str(highest)), 0, -1):
        caps = range(10 ** (digits - 1), min(10**digits, highest + 1))
        capped = {**dict.fromkeys(operation.caps), operation.caps[0]: caps[0]}
        document = {**incoming.document, **capped}
        lowest = operation.read(replace(incoming, document=document)).most
        if largest := _largest(caps, lowest, price):
            return largest
    return 0


def _largest(caps: range, lowest: Units, price: Price) -> int:
    """The largest of `caps` that fits, or 0; `lowest` is what its first one may use."""
    choices = lowest.completion_tokens // caps[0]

    def held(tokens: int) -> int:
        return price.hold_micros(replace(lowest, completion_tokens=tokens * choices))

    fitting = bisect_right(caps, price.chain.room_micros, key=held)
    return caps[fitting - 1] if fitting else 0


def _suggestion(
    failing: dict[str, Any],
    held: int,
    tokens: int | None,
    price: Price,
    identity: Identity,
) -> str:
    """What helps against the first check that fails."""
    balance, lower = price.balance, f"Lower max_tokens to at most {tokens}, or "
    match failing["name"]:
        case "organization":
            return "This organization is suspended. Ask your operator."
        case "debt":
            owed = ""
            if identity.sees_balance:
                owed = f" {credits_text(balance.owed_micros)}"
            return (
                f"This organization owes{owed} credits: new credits pay that first. "
                f"{settings.PUBLIC_URL}/o/{identity.organization_slug}/"
            )
        case "pause":
            of = failing["of"]
            return f"The calls of this {of} are paused. Ask your operator."
        case "key":
            return "This key has expired. Ask for a new one."
        case "allowed":
            return str(failing["message"])
        case "requests" | "tokens":
            return f"Wait: this minute's {failing['name']} are used."
        case "calls":
            return "Wait until a running call has ended."
        case "budget":
            other = "ask who manages your organization for a raise"
        case "envelope":
            other = "add credits with its parent's key"
        case _:
            other = (
                f"add credits: {settings.PUBLIC_URL}/o/{identity.organization_slug}/"
            )
            if held <= balance.available_micros + balance.returning_micros:
                other = "try again when running calls have settled"
                if identity.sees_balance:
                    held_by_them = credits_text(balance.returning_micros)
                    other += f", which hold {held_by_them} credits"
    return lower + other if tokens else other[0].upper() + other[1:]
