"""One call from its hold to its settlement; whatever happens, the hold is resolved.

hold committed → forwarded → answered → settled in one transaction → last byte.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.conf import settings

from billing.models.usage import Basis
from billing.pricing.rates import Rates, Units, UnpricedModel
from billing.pricing.usage import measure
from billing.values import clock, errors
from billing.values.amounts import credits_text
from billing.values.crashpoints import crashpoint
from billing.values.ids import new_id
from billing.values.orders import (
    Doubt,
    Entrusted,
    Place,
    Placed,
    Release,
    Resolution,
    Settle,
    Usage,
)
from portal.tenants.errors import ClosedRun, ExpiredKey, KeyRefused
from portal.tenants.keys import Identity
from proxy.calls.bounds import terms_of
from proxy.calls.call import Call
from proxy.calls.origin import NOWHERE, Origin
from proxy.calls.resolving import LEDGER, CallEnd, LedgerAccess
from proxy.http import limit_refusals, refusals, reply
from proxy.http.errors import GatewayError
from proxy.idempotency import once
from proxy.idempotency.attempts import Attempt, Reply
from proxy.limits.rates import Allowance, limits_at_once
from proxy.process.caches import known_keys, tariff
from proxy.process.lease import process_lease

EVENT_STREAM = "text/event-stream"
# Beyond the longest call and the longest drain, before a hold of a living process
# is due: for settlements that have to wait for the database.
SLACK_SECONDS = 60


@dataclass(slots=True)
class Exchange:
    """A call with its hold. Made by `begin`; ended by settle, release or doubt, or
    handed over to a job. Others read its fields; only its own methods write them."""

    call: Call
    identity: Identity
    rates: Rates
    bound_micros: int
    placed: Placed
    started: float  # monotonic
    attempt: Attempt | None
    ledger: LedgerAccess
    client: str = ""  # the program that asks
    ignored: tuple[str, ...] = ()  # of what was sent; the reply names it
    end: CallEnd | None = None
    basis: str = ""
    job_id: str = ""  # once a job has taken the call over
    flags: list[str] = field(default_factory=list)
    allowance: Allowance = field(default_factory=Allowance)

    @property
    def hold_id(self) -> str:
        return self.placed.hold_id

    @property
    def request_id(self) -> str:
        return f"req_{self.hold_id}"

    @property
    def elapsed_seconds(self) -> float:
        return time.monotonic() - self.started

    # --- the end --------------------------------------------------------------------

    async def settle(self, report: Any, *, counted: Units, upstream_id: str) -> CallEnd:
        """Charge by the upstream's `usage`, or by what was counted without one.

        Raises: LedgerUnavailable; the hold then falls due.
        """
        usage = measure(
            report,
            rates=self.rates,
            bound_micros=self.bound_micros,
            counted=counted,
            request_id=self.request_id,
        )
        usage = self._complete(usage, upstream_id)
        return await self._resolve(Settle(*self._hold, usage))

    async def release(self, reason: str, *, is_proven: bool = True) -> CallEnd:
        """Give everything back: the upstream did nothing. Where that is not proven, it
        may have charged for an answer of which not one byte arrived: the call is
        listed."""
        usage = None
        if not is_proven:
            usage = self._complete(Usage(Basis.IN_DOUBT.value, cost_micros=0))
        return await self._resolve(Release(*self._hold, reason, usage))

    async def doubt(self, reason: str) -> CallEnd:
        """Keep the hold: nobody knows yet what the upstream did."""
        self.basis = Basis.IN_DOUBT.value
        return await self._resolve(Doubt(*self._hold, reason))

    @property
    def _hold(self) -> tuple[str, int]:
        return self.hold_id, self.identity.account_id

    def _complete(self, usage: Usage, upstream_id: str = "") -> Usage:
        """The usage with what is known of the call itself."""
        self.basis = usage.basis
        return replace(
            usage,
            # The upstream may use any name; the ledger's column holds this one.
            upstream_id="".join(filter(str.isprintable, upstream_id[:128])),
            streamed=self.call.stream,
            duration_ms=int(self.elapsed_seconds * 1000),
            flags=(*self.flags, *usage.flags),
        )

    async def _resolve(self, order: Resolution) -> CallEnd:
        self.end = await self.ledger.resolve(order, self.placed)
        match order:
            case Settle(usage=usage) if usage.prompt_tokens or usage.completion_tokens:
                self.allowance.used(usage.prompt_tokens + usage.completion_tokens)
            case Release():
                self.allowance.used(0)
        crashpoint("call.resolved")
        return self.end

    # --- a job takes it over -------------------------------------------------------

    def hand_over(self, job_id: str) -> None:
        """The upstream made a job of the call: from now on its hold is the job's."""
        self.job_id = job_id

    def show_hold(self, entrusted: Entrusted) -> None:
        """The headers tell the hold as the job has it, which may have raised it."""
        self.placed = replace(
            self.placed,
            held_micros=entrusted.held_micros,
            available_micros=entrusted.available_micros,
        )

    def show_end(self, end: CallEnd, basis: str) -> None:
        """The headers tell how the job ended, whoever settled it."""
        self.end, self.basis = end, basis

    # --- what its reply says -------------------------------------------------------

    def counts_for(self, allowance: Allowance) -> None:
        """The call is the request that took it."""
        self.allowance, allowance.is_called = allowance, True

    def remark(self, flag: str) -> None:
        """A word for the usage record, once."""
        if flag not in self.flags:
            self.flags.append(flag)

    def ignore(self, names: tuple[str, ...]) -> None:
        """What was sent and had no effect, as its answer shows; the reply names it."""
        self.ignored = (*self.ignored, *names)

    def answers_by_stream(self) -> None:
        """Repeats of this call wait for the end of its stream."""
        if self.attempt:
            self.attempt.ends_later = True

    def stream_ended(self, said: bytes | None) -> None:
        """All of a stream, for repeats of the call; None where it was too long, or came
        to no good end: then repeats ask the ledger."""
        kept = None
        if said is not None:
            head = {**self.headers(), "content-type": EVENT_STREAM}
            kept = Reply(200, head, said)
        if self.attempt:
            once.end(self.attempt, kept, self.identity)
        elif kept and self.call.is_kept:
            once.keep(kept, self.hold_id, self.identity)

    @property
    def keeps_stream(self) -> bool:
        """Whether somebody may want to have its stream again."""
        wanted = self.attempt is not None or self.call.is_kept
        return wanted and self.identity.stores_replies

    def headers(self) -> dict[str, str]:
        """What every reply says of its call; amounts in credits."""
        found = reply.headers(self.request_id)
        if self.ignored:
            found["x-ignored-parameters"] = ", ".join(self.ignored)
        available = (self.end or self.placed).available_micros
        found["x-credits-held"] = credits_text(self.placed.held_micros)
        if self.identity.sees_balance:
            found["x-credits-remaining"] = credits_text(available)
        if self.end:
            found["x-credits-charged"] = credits_text(self.end.charged_micros)
        if self.job_id:
            found["x-job-id"] = self.job_id
        if self.basis:
            found["x-price-basis"] = self.basis
        return found


async def begin(
    call: Call,
    identity: Identity,
    presented: str,
    *,
    attempt: Attempt | None = None,
    origin: Origin = NOWHERE,
    ledger: LedgerAccess = LEDGER,
) -> Exchange:
    """Price the call and set its credits aside, under the id of its `attempt` if it
    is one of a request that may come again.

    Raises: GatewayError (400 to 404, 429), LedgerUnavailable; AttemptExists and
    Overtaken for an attempt. Nothing was forwarded.
    """
    rates = await rates_for(call)
    terms = terms_of(call, rates)
    started = time.monotonic()
    lifetime_seconds = (
        settings.UPSTREAM_TOTAL_SECONDS
        + 2 * settings.UPSTREAM_IDLE_SECONDS  # to send the body, and for the head
        + settings.DRAIN_SECONDS
        + SLACK_SECONDS
    )
    order = Place(
        hold_id=attempt.hold_id if attempt else new_id(),
        account_id=identity.account_id,
        spender_id=identity.spender_id,
        bound_micros=terms.tariff_micros(call.most),
        cautious_micros=terms.cautious_micros(call.most),
        shape=terms.shape,
        operation=call.operation,
        model=call.model,
        due_at=clock.now() + timedelta(seconds=lifetime_seconds),
        lease_id=process_lease.id,
        attempt=attempt.order_mark if attempt else None,
        at_once=limits_at_once(identity.rules),
        client=origin.client,
        client_version=origin.client_version,
        session=origin.session,
    )
    placed = await _placed(order, identity, presented, ledger)
    bound = terms.expected_micros(call.most)
    ignored = (*call.ignored, *origin.ignored)
    exchange = Exchange(
        *(call, identity, rates, bound, placed, started, attempt, ledger),
        client=origin.client,
        ignored=ignored,
    )
    crashpoint("call.held")
    if attempt and attempt.is_lost:
        # Its client may have sent it again already: this one is not made any more.
        await exchange.release("client_gone")
        raise refusals.client_gone()
    return exchange


async def _placed(
    order: Place, identity: Identity, presented: str, ledger: LedgerAccess
) -> Placed:
    """The hold stands. Raises: as `begin`."""
    try:
        return await ledger.place(order)
    except errors.Refusal as error:
        refused = await _refusal(error, identity, presented, order.model)
        raise refused or error from None


async def rates_for(call: Call) -> Rates:
    """What the call is priced by.

    Raises: GatewayError (400, 404), LedgerUnavailable.
    """
    try:
        rates = await tariff.rates(call.operation, call.model)
    except UnpricedModel:
        raise refusals.model_not_priced(call.model, param="model") from None
    asked = call.completion_tokens_asked
    if asked is not None and asked > rates.completion_tokens_max:
        raise refusals.invalid(
            f"max_tokens may be at most {rates.completion_tokens_max} for this model.",
            param="max_tokens",
        )
    return rates


async def _refusal(
    error: errors.Refusal, identity: Identity, presented: str, model: str
) -> GatewayError | None:
    """What the ledger refused, as clients are told; None for what is for `once`."""
    match error:
        case errors.ModelPaused():
            return refusals.model_paused(model, param="model")
        case errors.SpenderClosed():
            return await _why_closed(presented, error)
    return refusals.of_account(error, identity) or limit_refusals.of_ledger(error)


async def _why_closed(presented: str, error: errors.SpenderClosed) -> GatewayError:
    """The ledger only knows that the key may not spend; the keys know why."""
    # Between the two looks, or by the ledger's clock.
    is_run = isinstance(error, errors.EnvelopeClosed)
    why: KeyRefused = ClosedRun() if is_run else ExpiredKey()
    try:
        await known_keys.verify(presented)
    except KeyRefused as found:
        why = found
    return refusals.key_refused(why)
