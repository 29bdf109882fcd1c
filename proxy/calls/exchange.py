"""One call from its hold to its settlement; whatever happens, the hold is resolved.

hold committed → forwarded → answered → settled in one transaction → last byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from billing import holds
from billing.models.hold import HoldState
from billing.models.usage import Basis
from billing.pricing.rates import Rates, Units, UnpricedModel
from billing.pricing.usage import measure
from billing.reports.calls import charge_of
from billing.values import clock, errors
from billing.values.amounts import credits_text, price_of
from billing.values.crashpoints import crashpoint
from billing.values.ids import new_id
from billing.values.orders import (
    Doubt,
    Place,
    Placed,
    Release,
    Resolution,
    Resolved,
    Settle,
    Usage,
)
from portal.tenants.errors import ExpiredKey, KeyRefused
from portal.tenants.keys import Identity
from proxy.calls.call import Call
from proxy.http import refusals
from proxy.http.errors import GatewayError, invalid
from proxy.idempotency.attempts import Attempt
from proxy.process.caches import known_keys, tariff
from proxy.process.database import read
from proxy.process.lease import process_lease

logger = logging.getLogger(__name__)

# While the database does not answer: seconds between attempts to settle, and how long
# to try. Then the settlement goes to the spool, and the client gets its answer.
SETTLE_PAUSE_SECONDS = 0.2
SETTLE_SECONDS = 3


class Exchange:
    """A call with its hold. Made by `begin`; ended by settle, release or doubt."""

    def __init__(
        self,
        call: Call,
        identity: Identity,
        rates: Rates,
        attempt: Attempt | None = None,
    ) -> None:
        self.call = call
        self.identity = identity
        self.rates = rates
        self.attempt = attempt
        self.hold_id = attempt.hold_id if attempt else new_id()
        self.started = time.monotonic()
        self.bound_micros = rates.cost_micros(call.most)
        self.placed: Placed | None = None
        self.resolved: Resolved | None = None
        self.basis = ""
        self.flags: list[str] = []
        self.job_id = ""  # once the upstream has made a job of it

    @property
    def request_id(self) -> str:
        return f"req_{self.hold_id}"

    async def place(self, presented: str) -> None:
        """Set the credits aside.

        Raises: GatewayError (401, 402, 403, 429), LedgerUnavailable.
        """
        lifetime = (
            settings.UPSTREAM_TOTAL_SECONDS
            + 2 * settings.UPSTREAM_IDLE_SECONDS  # to send the body, and for the head
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
            lease_id=process_lease.id,
            fingerprint=self.attempt.fingerprint.id if self.attempt else None,
        )
        try:
            outcome = await holds.submit(order)
        except errors.InsufficientCredits as error:
            raise refusals.shortfall(error, self.identity) from None
        except errors.AccountClosed:
            raise refusals.organization_suspended() from None
        except errors.SpenderClosed:
            raise await _why_closed(presented) from None
        self.placed = outcome
        if self.attempt:
            self.attempt.state = HoldState.OPEN
        crashpoint("call.held")

    async def settle(
        self, report: Any, *, counted: Units | None = None, upstream_id: str = ""
    ) -> Resolved:
        """Charge by the upstream's `usage`, or by what was counted without one.

        Raises: LedgerUnavailable; the hold then falls due.
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
            cost_micros=0,
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

    async def _resolve(self, order: Resolution) -> Resolved:
        try:
            outcome = await holds.submit(order)
        except errors.LedgerUnavailable:
            outcome = await self._resolve_later(order)
        if outcome.repeat and outcome.state == HoldState.SETTLED:
            outcome = await self._as_booked(outcome)
        self.resolved = outcome
        if self.attempt:
            self.attempt.state = outcome.state
        crashpoint("call.resolved")
        return outcome

    async def _as_booked(self, repeat: Resolved) -> Resolved:
        """A repeat with its charge: nobody heard of the commit, which was done, or
        somebody was faster. It is only to be shown, so the books may be gone again."""
        with contextlib.suppress(errors.LedgerUnavailable):
            charged, _ = await read(lambda: charge_of(UUID(self.hold_id)))
            return replace(repeat, charged_micros=charged or 0)
        return repeat

    async def _resolve_later(self, order: Resolution) -> Resolved:
        """Raises: LedgerUnavailable when neither database nor disk takes it."""
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                while True:
                    await asyncio.sleep(SETTLE_PAUSE_SECONDS)
                    with contextlib.suppress(errors.LedgerUnavailable):
                        return await holds.submit(order)
        except TimeoutError:
            # An attempt that is still under way may succeed after all: whichever
            # comes second is a repeat, and changes nothing.
            return await self._spool(order)

    async def _spool(self, order: Resolution) -> Resolved:
        try:
            await asyncio.to_thread(holds.spool, order)
        except OSError as error:
            logger.error("could not resolve the hold of %s", self.request_id)
            raise errors.LedgerUnavailable(str(error)) from error
        logger.warning("the settlement of %s waits in the spool", self.request_id)
        return self._expected(order)

    def _expected(self, order: Resolution) -> Resolved:
        """What the ledger will say of a spooled order, as far as this call knows."""
        assert self.placed is not None
        held, available = self.placed.held_micros, self.placed.available_micros
        charged = 0
        match order:
            case Doubt():
                state = HoldState.IN_DOUBT  # it keeps the hold
            case Release():
                state = HoldState.RELEASED
                available += held
            case Settle():
                state = HoldState.SETTLED
                cost = order.usage.cost_micros
                charged = price_of(cost, self.placed.price_factor_ppm)
                available = max(0, available + held - charged)
        return Resolved(
            hold_id=order.hold_id,
            state=state.value,
            held_micros=held,
            charged_micros=charged,
            absorbed_micros=0,
            available_micros=available,
        )

    def _elapsed_ms(self) -> int:
        return int((time.monotonic() - self.started) * 1000)

    def headers(self) -> dict[str, str]:
        """What every reply says of its call; amounts in credits."""
        found = {"x-request-id": self.request_id, "cache-control": "no-store"}
        if self.call.ignored:
            found["x-ignored-parameters"] = ", ".join(self.call.ignored)
        if self.placed:
            found["x-credits-held"] = credits_text(self.placed.held_micros)
            found["x-credits-remaining"] = credits_text(self.placed.available_micros)
        if self.resolved:
            found["x-credits-charged"] = credits_text(self.resolved.charged_micros)
            found["x-credits-remaining"] = credits_text(self.resolved.available_micros)
        if self.job_id:
            found["x-job-id"] = self.job_id
        if self.basis:
            found["x-price-basis"] = self.basis
        return found


# Beyond the longest call and the longest drain, before a hold of a living process
# is due: for settlements that have to wait for the database.
SLACK_SECONDS = 60


async def begin(
    call: Call, identity: Identity, presented: str, attempt: Attempt | None = None
) -> Exchange:
    """Price the call and set its credits aside, under the id of its `attempt` if it
    is one of a request that may come again.

    Raises: GatewayError, LedgerUnavailable. Nothing was forwarded.
    """
    exchange = Exchange(call, identity, await price(call), attempt)
    await exchange.place(presented)
    if attempt and attempt.has_lapsed:
        await exchange.release("claim_lapsed")
        raise errors.LedgerUnavailable("the hold came too late for its claim")
    return exchange


async def price(call: Call) -> Rates:
    """What the call is priced by.

    Raises: GatewayError (400, 404), LedgerUnavailable.
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
    return rates


async def _why_closed(presented: str) -> GatewayError:
    """The ledger only knows that the key may not spend; the keys know why."""
    try:
        await known_keys.verify(presented)
    except KeyRefused as error:
        return refusals.key_refused(error)
    # It expired between the two looks, or the ledger's clock is a little ahead.
    return refusals.key_refused(ExpiredKey())
