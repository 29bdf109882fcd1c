"""From a call to a job: an intent before anything is sent, then the upstream's id.

hold committed → intent → forwarded → id stored → hold entrusted → answered. A crash
before the id is stored leaves a doubt; after it, the worker settles the job exactly.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import orjson
from django.conf import settings
from django.http.response import HttpResponseBase

from billing.reports.balance import balance_of
from billing.values import clock, errors
from billing.values.amounts import price_of, whole_credits
from billing.values.crashpoints import crashpoint
from billing.values.orders import CREDIT, Resolved
from proxy.calls.call import Document, as_json
from proxy.calls.exchange import Exchange
from proxy.http.errors import SERVER, GatewayError, translate
from proxy.jobs import reconciliation, rows, statements, waiting
from proxy.jobs.statements import Accepted
from proxy.models import Job, JobState
from proxy.models.job import ASKED_ABOUT
from proxy.process.database import read, write

logger = logging.getLogger(__name__)

# Until the worker's first look; a client that waits is served at once.
FIRST_LOOK = timedelta(seconds=2)
# Seconds between attempts to store the upstream's id while the database is away.
KEEP_PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
# And between later ones, when the client has been told that it failed.
KEEP_LATER_SECONDS = 5.0

_keeping: set[asyncio.Task[None]] = set()


async def intend(exchange: Exchange) -> Job:
    """Write down that the call is about to be forwarded.

    Raises: GatewayError (503) when that cannot be written; the hold is released.
    """
    call = exchange.call
    job = Job(
        id=UUID(exchange.hold_id),
        account_id=exchange.identity.account_id,
        spender_id=exchange.identity.spender_id,
        operation=call.operation,
        model=call.model,
        mode=call.mode,
        bound_micros=exchange.bound_micros,
        terms=statements.terms(exchange.rates, call.least, call.remembered),
        created_at=clock.now(),
    )
    try:
        await write(lambda: rows.create(job))
    except errors.LedgerUnavailable as error:
        with suppress(errors.LedgerUnavailable):  # then it falls due
            await exchange.release("job_not_stored")
        refused = translate(error)
        assert refused is not None
        raise refused from None
    return job


async def conclude(exchange: Exchange) -> None:
    """End the row of a call that became no job, as its hold ended."""
    resolved = exchange.resolved
    if exchange.job_id or resolved is None:
        return
    with suppress(errors.LedgerUnavailable):  # then the worker does it
        await write(lambda: rows.conclude(UUID(exchange.hold_id), resolved.state))


async def accept(exchange: Exchange, job: Job, accepted: Accepted) -> HttpResponseBase:
    """The upstream made a job of the call: keep it, then answer, or wait for its end.

    Raises: GatewayError; LedgerUnavailable when the id could not be kept.
    """
    crashpoint("job.accepted")
    await _keep(job, accepted)
    crashpoint("job.kept")
    exchange.job_id = job.public_id
    try:
        entrusted = await reconciliation.entrust(job)
    except errors.LedgerUnavailable:
        logger.error("%s is not entrusted yet", job)
    else:
        assert exchange.placed is not None
        exchange.placed = replace(
            exchange.placed,
            held_micros=entrusted.held_micros,
            available_micros=entrusted.available_micros,
        )
    crashpoint("job.entrusted")
    if exchange.call.mode == "job":
        receipt = exchange.call.receipt(job, _receipt(exchange, job, accepted))
        return await as_json(receipt, exchange.headers())
    return await _result(exchange, job)


async def _keep(job: Job, accepted: Accepted) -> None:
    """Store the upstream's id. Raises: LedgerUnavailable, when that fails for long."""
    job.upstream_id = accepted.upstream_id
    job.state = JobState.PENDING
    job.next_poll_at = clock.now()
    if accepted.status in ASKED_ABOUT:
        job.state = accepted.status
        job.next_poll_at += FIRST_LOOK
    credits = statements.estimate(accepted.document, job.bound_micros)
    job.estimated_credits = credits
    job.bound_micros = max(job.bound_micros, (credits or 0) * CREDIT)
    if credits is None and "estimated_credits" in accepted.document:
        job.remark = "estimate_invalid"
    for pause in (*KEEP_PAUSES, None):
        try:
            return await write(lambda: rows.accept(job))
        except errors.LedgerUnavailable:
            if pause is None:
                logger.error("%s, %s upstream, is not kept", job, job.upstream_id)
                task = asyncio.create_task(_keep_later(job))
                _keeping.add(task)
                task.add_done_callback(_keeping.discard)
                raise
            await asyncio.sleep(pause)
    raise AssertionError("unreachable")


async def _keep_later(job: Job) -> None:
    """Keep the upstream's id once the books are back: nothing else can tell what the
    job cost. If this process ends before that, its log still names it."""
    until = time.monotonic() + settings.JOB_SECONDS_MAX
    while time.monotonic() < until:
        await asyncio.sleep(KEEP_LATER_SECONDS)
        with suppress(errors.LedgerUnavailable):
            await write(lambda: rows.accept(job))
            logger.warning("%s is kept after all", job)
            return


def _receipt(exchange: Exchange, job: Job, accepted: Accepted) -> Document:
    """The contract's AsyncJobResponse, under our id and at the customer's price."""
    receipt = {**accepted.document, "id": job.public_id}
    if "estimated_credits" in receipt:
        assert exchange.placed is not None
        micros = (job.estimated_credits or 0) * CREDIT
        priced = whole_credits(price_of(micros, exchange.placed.price_factor_ppm))
        receipt["estimated_credits"] = priced
        if job.estimated_credits is None:
            del receipt["estimated_credits"]
    return receipt


# --- a client that waits for the result -------------------------------------------


async def _result(exchange: Exchange, job: Job) -> HttpResponseBase:
    """Wait for the end, and answer as if the call had been synchronous."""
    elapsed = time.monotonic() - exchange.started
    left = max(0.0, settings.UPSTREAM_TOTAL_SECONDS - elapsed)
    job = await waiting.end_of(job, left)
    if not job.is_over:
        raise _still_running(job)
    await _take_over(exchange, job)
    if job.state != JobState.COMPLETED:
        raise _failed(job)
    result = orjson.loads(job.reply).get("outputData")
    if not isinstance(result, dict):
        raise GatewayError(
            502,
            SERVER,
            "upstream_no_result",
            "The upstream says that it finished the job, but gave no result.",
            metadata={"job_id": job.public_id},
        )
    usage = statements.usage_shown(job)
    return await exchange.call.answer({**result, "usage": usage}, exchange.headers())


async def _take_over(exchange: Exchange, job: Job) -> None:
    """What the headers tell: whoever settled the job, this is what was charged."""
    if job.state == JobState.LOST:
        return
    left = await read(lambda: balance_of(job.account_id))
    charged, held = job.charged_micros or 0, exchange.placed
    exchange.basis = job.basis
    exchange.resolved = Resolved(
        hold_id=exchange.hold_id,
        state=job.state,
        held_micros=held.held_micros if held else 0,
        charged_micros=charged,
        absorbed_micros=0,
        available_micros=left.available_micros,
    )


def _still_running(job: Job) -> GatewayError:
    return GatewayError(
        504,
        SERVER,
        "job_still_running",
        f"The upstream still works on it, as {job.public_id}: "
        f"GET /v1/jobs/{job.public_id} tells when it is done. It is paid for once.",
        metadata={"job_id": job.public_id},
    )


def _failed(job: Job) -> GatewayError:
    code, message = statements.failure(job)
    return GatewayError(502, SERVER, code, message, metadata={"job_id": job.public_id})
