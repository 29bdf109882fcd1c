"""From a call to a job: an intent before anything is sent, then the upstream's id.

hold committed → intent → forwarded → id stored → hold entrusted → answered. A crash
before the id is stored leaves a doubt; after it, the worker settles the job exactly.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import repeat
from uuid import UUID

from django.conf import settings
from django.http.response import HttpResponseBase

from billing.reports.balance import balance_of
from billing.values import clock, errors
from billing.values.amounts import price_of, whole_credits
from billing.values.crashpoints import crashpoint
from billing.values.orders import CREDIT
from proxy.calls.call import Document, Mode, as_json
from proxy.calls.exchange import Exchange
from proxy.calls.resolving import CallEnd
from proxy.forwarding.forward import answer
from proxy.forwarding.send import accounted, document_of, refuse_error, sent
from proxy.http import refusals, upstream_refusals
from proxy.jobs import looks, reconciliation, rendering, rows, settlement, waiting
from proxy.models import Job, JobState
from proxy.models.job import ASKED_ABOUT
from proxy.process.background import BackgroundTasks
from proxy.process.database import read, write

logger = logging.getLogger(__name__)

# Until the worker's first look; a client that waits is served at once.
FIRST_LOOK = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Storing:
    """How a job's row is written, also while the database is away."""

    create: Callable[[Job], None] = rows.create
    accept: Callable[[Job], None] = rows.accept
    # Seconds between attempts while the client waits, and after it was told "failed".
    pauses: tuple[float, ...] = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
    later_seconds: float = 5.0


STORING = Storing()
# The jobs whose id is still to be stored.
storing_later = BackgroundTasks()


async def submit(exchange: Exchange, *, storing: Storing = STORING) -> HttpResponseBase:
    """Make a job of the call. Its client asks about it later; one whose call is
    `AWAITED` is answered with the result, as if there were no job.

    Raises: GatewayError, for who waits also (502) for a job that failed, and (504) for
    one that still runs after UPSTREAM_TOTAL_SECONDS. The hold is resolved or the job's
    on every way out, unless the ledger does not answer: then it falls due.
    """
    async with accounted(exchange):
        job = await _intend(exchange, storing)
        try:
            async with sent(exchange) as reply:
                document = await document_of(reply)
                is_job = looks.is_job(document)
                if not is_job:
                    refuse_error(document)
            if not is_job:
                return await answer(exchange, reply, document)
            await _accept(exchange, job, document, storing)
            if exchange.call.mode == Mode.AWAITED:
                return await _result(exchange, job)
            return await _receipt(exchange, job, document)
        finally:
            end = exchange.end
            if end and not exchange.job_id:  # it became no job
                with suppress(errors.LedgerUnavailable):  # then the worker does it
                    await write(lambda: rows.conclude(job.id, end.state))


async def _intend(exchange: Exchange, storing: Storing) -> Job:
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
        terms=settlement.terms(exchange.rates, call.least, call.remembered),
        created_at=clock.now(),
    )
    try:
        await write(lambda: storing.create(job))
    except errors.LedgerUnavailable:
        with suppress(errors.LedgerUnavailable):  # then it falls due
            await exchange.release("job_not_stored")
        raise refusals.ledger_unavailable() from None
    return job


async def _accept(
    exchange: Exchange, job: Job, document: Document, storing: Storing
) -> None:
    """The upstream made a job of the call: store its id, and give the job the hold.

    Raises: LedgerUnavailable when the id cannot be stored for long; it is tried on.
    """
    crashpoint("job.accepted")
    _take_over(job, document)
    if not await _is_stored(job, storing, (0, *storing.pauses)):
        logger.error("%s, %s upstream, is not stored", job, job.upstream_id)
        storing_later.start(_store_later(job, storing))
        raise errors.LedgerUnavailable("the upstream's id is not stored")
    crashpoint("job.kept")
    exchange.hand_over(job.public_id)
    try:
        entrusted = await reconciliation.entrust(job, exchange.ledger)
    except errors.LedgerUnavailable:
        logger.error("%s is not entrusted yet", job)
    else:
        exchange.show_hold(entrusted)
    crashpoint("job.entrusted")


def _take_over(job: Job, document: Document) -> None:
    """Write the upstream's word into the row."""
    job.upstream_id = document["id"]
    job.state = JobState.PENDING
    job.next_poll_at = clock.now()
    if document["status"] in ASKED_ABOUT:
        job.state = document["status"]
        job.next_poll_at += FIRST_LOOK
    credits = looks.estimate(document, job.bound_micros)
    job.estimated_credits = credits
    job.bound_micros = max(job.bound_micros, (credits or 0) * CREDIT)
    if credits is None and "estimated_credits" in document:
        job.remark = "estimate_invalid"


async def _store_later(job: Job, storing: Storing) -> None:
    """Store the upstream's id once the database is back: nothing else can tell what
    the job cost. If this process ends before that, its log still names it."""
    times = int(settings.JOB_SECONDS_MAX / storing.later_seconds)
    if await _is_stored(job, storing, repeat(storing.later_seconds, times)):
        logger.warning("%s is stored after all", job)


async def _is_stored(job: Job, storing: Storing, pauses: Iterable[float]) -> bool:
    """Try to store the upstream's id after each pause; whether it is."""
    for pause in pauses:
        if pause:  # else nothing comes between the upstream's word and the row
            await asyncio.sleep(pause)
        with suppress(errors.LedgerUnavailable):
            await write(lambda: storing.accept(job))
            return True
    return False


# --- what the client gets ---------------------------------------------------------


async def _receipt(
    exchange: Exchange, job: Job, document: Document
) -> HttpResponseBase:
    """The contract's AsyncJobResponse, under our id and at the customer's price."""
    receipt: Document = {**document, "id": job.public_id}
    if job.estimated_credits is None:
        receipt.pop("estimated_credits", None)
    else:
        micros = job.estimated_credits * CREDIT
        price = price_of(micros, exchange.placed.price_factor_ppm)
        receipt["estimated_credits"] = whole_credits(price)
    return await as_json(exchange.call.receipt(job, receipt), exchange.headers())


async def _result(exchange: Exchange, job: Job) -> HttpResponseBase:
    """Wait for the end, and answer as if the call had been a plain one."""
    left = max(0.0, settings.UPSTREAM_TOTAL_SECONDS - exchange.elapsed_seconds)
    job = await waiting.end_of(job, left)
    if not job.is_over:
        raise upstream_refusals.job_still_running(job_id=job.public_id)
    if job.state != JobState.LOST:
        balance = await read(lambda: balance_of(job.account_id))
        charged = job.charged_micros or 0
        end = CallEnd(job.state, charged, balance.available_micros)
        exchange.show_end(end, job.basis)
    if job.state != JobState.COMPLETED:
        code, reason = rendering.failure(job)
        raise upstream_refusals.no_result[code](reason, job_id=job.public_id)
    result = rendering.reply_of(job).get("outputData")
    if not isinstance(result, dict):
        raise upstream_refusals.job_without_result(job_id=job.public_id)
    document = {**result, "usage": rendering.usage(job)}
    return await exchange.call.answer(document, exchange.headers())
