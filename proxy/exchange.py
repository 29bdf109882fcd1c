"""One call from its hold to its settlement; whatever happens, the hold is resolved.

hold committed → forwarded → answered → settled in one transaction → last byte.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.conf import settings

from billing import clock, errors
from billing.amounts import credits_text
from billing.group_commit import writer
from billing.ids import new_id
from billing.models.usage import Basis
from billing.orders import (
    Doubt,
    Order,
    Outcome,
    Place,
    Placed,
    Release,
    Resolved,
    Settle,
    Usage,
)
from billing.pricing import Rates, Units, UnpricedModel
from billing.usage import measure
from portal.errors import ExpiredKey, KeyRefused
from portal.keys import Identity
from proxy import refusals
from proxy.calls import Call
from proxy.errors import GatewayError, invalid
from proxy.lifeline import lifeline
from proxy.memory import known_keys, tariff

logger = logging.getLogger(__name__)

# Seconds between attempts to settle while the database does not answer; after the
# last one the hold stays open and falls due.
SETTLE_PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)


class Exchange:
    """A call with its hold. Made by `begin`; ended by settle, release or doubt."""

    def __init__(self, call: Call, identity: Identity, rates: Rates) -> None:
        self.call = call
        self.identity = identity
        self.rates = rates
        self.hold_id = new_id()
        self.started = time.monotonic()
        self.bound_micros = rates.price_micros(call.most)
        self.placed: Placed | None = None
        self.resolved: Resolved | None = None
        self.basis = ""
        self.flags: list[str] = []

    @property
    def request_id(self) -> str:
        return f"req_{self.hold_id}"

    async def place(self, presented: str) -> None:
        """Set the credits aside.

        Raises: GatewayError (401, 402, 403, 429), BooksUnavailable.
        """
        lifetime = (
            settings.UPSTREAM_TOTAL_SECONDS
            + settings.UPSTREAM_IDLE_SECONDS
            + settings.DRAIN_SECONDS
            + SLACK_SECONDS
        )
        order = Place(
            hold_id=self.hold_id,
            account_id=self.identity.account_id,
            spender_id=self.identity.spender_id,
            bound_micros=self.bound_micros,
            operation=self.call.operation,
            model=self.call.model,
            due_at=clock.now() + timedelta(seconds=lifetime),
            lease_id=lifeline.lease_id,
        )
        try:
            outcome = await writer.submit(order)
        except errors.InsufficientCredits as error:
            raise refusals.shortfall(error, self.identity) from None
        except errors.AccountClosed:
            raise refusals.organization_suspended() from None
        except errors.SpenderClosed:
            raise await _why_closed(presented) from None
        assert isinstance(outcome, Placed)
        self.placed = outcome

    async def settle(
        self, report: Any, *, counted: Units | None = None, upstream_id: str = ""
    ) -> Resolved:
        """Charge by the upstream's `usage`, or by what was counted without one.

        Raises: BooksUnavailable; the hold then falls due.
        """
        usage = measure(
            report,
            rates=self.rates,
            bound_micros=self.bound_micros,
            counted=counted or self.call.least,
            flags=tuple(self.flags),
        )
        usage = replace(
            usage,
            # Whatever the upstream calls it, the books must be able to keep it.
            upstream_id="".join(filter(str.isprintable, upstream_id[:128])),
            streamed=self.call.stream,
            duration_ms=self._elapsed_ms(),
        )
        self.basis = usage.basis
        return await self._resolve(
            Settle(self.hold_id, self.identity.account_id, usage)
        )

    async def release(self, reason: str) -> Resolved:
        """Give everything back: the upstream certainly did nothing."""
        return await self._resolve(
            Release(self.hold_id, self.identity.account_id, reason)
        )

    async def release_unproven(self, reason: str) -> Resolved:
        """Give everything back, and list the call: the upstream may have charged for
        an answer of which not one byte arrived."""
        usage = Usage(
            basis=Basis.IN_DOUBT.value,
            price_micros=0,
            streamed=self.call.stream,
            duration_ms=self._elapsed_ms(),
            flags=tuple(self.flags),
        )
        self.basis = usage.basis
        return await self._resolve(
            Release(self.hold_id, self.identity.account_id, reason, usage)
        )

    async def doubt(self, reason: str) -> Resolved:
        """Keep the hold: nobody knows yet what the upstream did."""
        self.basis = Basis.IN_DOUBT.value
        return await self._resolve(
            Doubt(self.hold_id, self.identity.account_id, reason)
        )

    async def _resolve(self, order: Order) -> Resolved:
        for pause in (*SETTLE_PAUSES, None):
            try:
                outcome: Outcome = await writer.submit(order)
            except errors.BooksUnavailable:
                if pause is None:
                    logger.error("could not resolve the hold of %s", self.request_id)
                    raise
                await asyncio.sleep(pause)
            else:
                assert isinstance(outcome, Resolved)
                self.resolved = outcome
                return outcome
        raise AssertionError("unreachable")

    def _elapsed_ms(self) -> int:
        return int((time.monotonic() - self.started) * 1000)

    def headers(self) -> dict[str, str]:
        """What every reply says of its call; amounts in credits."""
        found = {"x-request-id": self.request_id, "cache-control": "no-store"}
        if self.placed:
            found["x-credits-held"] = credits_text(self.placed.held_micros)
            found["x-credits-remaining"] = credits_text(self.placed.available_micros)
        if self.resolved:
            found["x-credits-charged"] = credits_text(self.resolved.charged_micros)
            found["x-credits-remaining"] = credits_text(self.resolved.available_micros)
        if self.basis:
            found["x-price-basis"] = self.basis
        return found


# Beyond the longest call and the longest drain, before a hold of a living process
# is due: for settlements that have to wait for the database.
SLACK_SECONDS = 60


async def begin(call: Call, identity: Identity, presented: str) -> Exchange:
    """Price the call and set its credits aside.

    Raises: GatewayError, BooksUnavailable. Nothing was forwarded.
    """
    try:
        rates = await tariff.rates(call.operation, call.model)
    except UnpricedModel:
        raise GatewayError(
            404,
            "invalid_request_error",
            "model_not_found",
            f"The model {call.model[:200]} has no price here, so it cannot be called.",
            param="model",
        ) from None
    asked = call.completion_tokens_asked
    if asked is not None and asked > rates.completion_tokens_max:
        raise invalid(
            f"max_tokens may be at most {rates.completion_tokens_max} for this model.",
            param="max_tokens",
        )
    exchange = Exchange(call, identity, rates)
    await exchange.place(presented)
    return exchange


async def _why_closed(presented: str) -> GatewayError:
    """The ledger only knows that the key may not spend; the keys know why."""
    try:
        await known_keys.verify(presented)
    except KeyRefused as error:
        return refusals.key_refused(error)
    # It expired between the two looks, or the ledger's clock is a little ahead.
    return refusals.key_refused(ExpiredKey())
