"""Jobs: asked about until the upstream says how they ended, then settled, once.

Whoever finds a job due claims it, asks the upstream, and applies what it said. The
ledger refuses to settle a hold twice.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from django.conf import settings

from billing.models.hold import HoldState
from billing.reports.calls import charge_of
from billing.values import clock
from billing.values.crashpoints import crashpoint
from billing.values.errors import LedgerUnavailable
from billing.values.ids import new_id
from billing.values.orders import Doubt, Entrust, Entrusted, Resolved, Settle
from proxy.calls.resolving import LEDGER, LedgerAccess
from proxy.forwarding.send import json_object
from proxy.jobs import rendering, rows, settlement
from proxy.jobs.looks import NOT_FOUND, SILENT, STATUSES, TERMINAL, UNKNOWN, Look
from proxy.models import Job, JobState
from proxy.models.job import ASKED_ABOUT
from proxy.process.database import read, write
from proxy.upstream import client
from proxy.upstream.redaction import scrubbed

logger = logging.getLogger(__name__)

# The longest look at the upstream: well within the claim, which nobody renews.
LOOK_SECONDS = 20
# Beyond the longest job, before the sweep takes a hold that the worker forgot.
ENTRUSTED_SLACK = timedelta(minutes=10)
# The upstream does not know the job: so often in a row, over so long, and it is lost.
MISSES_MAX = 5
MISSED_FOR = timedelta(minutes=10)


async def entrust(job: Job, ledger: LedgerAccess = LEDGER) -> Entrusted:
    """Take the job's hold from the process that placed it, and raise it to the bound.

    Raises: LedgerUnavailable; the next look tries again.
    """
    longest = timedelta(seconds=settings.JOB_SECONDS_MAX)
    outcome: Entrusted = await ledger.submit(
        Entrust(
            job.id.hex,
            job.account_id,
            due_at=job.created_at + longest + ENTRUSTED_SLACK,
            bound_micros=job.bound_micros,
        )
    )
    row = Job.objects.filter(id=job.id)
    await write(lambda: row.update(entrusted_at=clock.now()))
    return outcome


async def poll_due(ledger: LedgerAccess = LEDGER) -> int:
    """Ask about all jobs that are due; how many there were.

    Raises: LedgerUnavailable. One job's trouble is logged, and never another's.
    """
    try:
        await write(rows.conclude_abandoned)
    except LedgerUnavailable as error:  # e.g. one of them is locked
        logger.error("abandoned submissions are concluded later: %s", error)
    jobs = await read(rows.due)
    if not jobs:
        return 0
    try:
        every = (look(job, ledger=ledger) for job in jobs)
        outcomes = await asyncio.gather(*every, return_exceptions=True)
    finally:
        await client.close()
    for job, outcome in zip(jobs, outcomes, strict=True):
        if isinstance(outcome, Exception):
            logger.error("%s could not be looked at", job, exc_info=outcome)
    return len(jobs)


async def look(
    job: Job, *, is_waited_for: bool = False, ledger: LedgerAccess = LEDGER
) -> None:
    """Ask the upstream about the job, if it is due and nobody else is asking.

    Raises: LedgerError; the claim then runs out, and somebody tries again.
    """
    token = new_id()
    claimed = await write(
        lambda: rows.claim(job.id, token, is_waited_for=is_waited_for)
    )
    if claimed is None:
        return
    if claimed.entrusted_at is None:
        # Its process died in between; before its lease runs out this saves the hold.
        await entrust(claimed, ledger)
    await apply(claimed, await ask(claimed.upstream_id), ledger)


async def ask(upstream_id: str) -> Look:
    """What the upstream says now. No claim on the database is held meanwhile."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            reply = await client.shared().get(f"/jobs/{upstream_id}")
            content = await reply.read()
    except (client.UpstreamFault, TimeoutError):
        return Look(SILENT)
    if reply.status == 404:
        return Look(NOT_FOUND)
    document = json_object(scrubbed(content))
    if reply.status != 200 or reply.is_encoded or document is None:
        logger.warning("the upstream answered %d about a job", reply.status)
        return Look(SILENT)
    status = document.get("status")
    return Look(status if status in STATUSES else UNKNOWN, document)


async def apply(job: Job, found: Look, ledger: LedgerAccess = LEDGER) -> None:
    """Do what the found means: settle, release, doubt, or wait on.

    Raises: LedgerError; nothing is written then.
    """
    if found.status in TERMINAL:
        await _end(job, found, ledger)
    elif word := _why_lost(job, found):
        logger.error("%s is lost: %s", job, found.status)
        await ledger.submit(Doubt(job.id.hex, job.account_id, "job_lost"))
        remark = rows.with_word(job.remark, word)
        await write(lambda: rows.finish(job, JobState.LOST, remark=remark))
    else:
        await _wait_on(job, found, ledger)


async def _end(job: Job, found: Look, ledger: LedgerAccess) -> None:
    """The ledger first: a row that says "completed" has been charged for."""
    order = settlement.resolution(job, found)
    resolved: Resolved = await ledger.submit(order)
    crashpoint("job.settled")
    charged, basis = await read(lambda: charge_of(job.id))
    reply, too_large = rendering.store(found.document)
    words = [too_large, *(order.usage.flags if order.usage else ())]
    wanted = HoldState.SETTLED if isinstance(order, Settle) else HoldState.RELEASED
    if resolved.state != wanted:
        words.append("resolved_before")
    is_first = await write(
        lambda: rows.finish(
            job,
            JobState(found.status),
            progress=found.progress or job.progress,
            reply=reply,
            error=rendering.error_text(found.document),
            charged_micros=charged,
            basis=basis,
            remark=rows.with_word(job.remark, *words),
        )
    )
    if is_first:
        return
    ended = await read(lambda: Job.objects.get(id=job.id))
    # A reply that was purged tells nothing.
    if ended.state != found.status or ended.reply not in ("", reply):
        logger.warning("the upstream changed its word on %s", job)
        word = {"remark": rows.with_word(ended.remark, "job_changed")}
        await write(lambda: Job.objects.filter(id=job.id).update(**word))


def _why_lost(job: Job, found: Look) -> str:
    """A word for the operator; none while there is hope."""
    now, longest = clock.now(), timedelta(seconds=settings.JOB_SECONDS_MAX)
    is_old = now - job.created_at > longest
    is_missing = (
        job.misses + 1 >= MISSES_MAX and now - (job.missed_since or now) >= MISSED_FOR
    )
    if found.status == NOT_FOUND and (is_missing or is_old):
        return "not_found"
    return "too_old" if is_old else ""


async def _wait_on(job: Job, found: Look, ledger: LedgerAccess) -> None:
    is_alive = found.status in ASKED_ABOUT
    if is_alive and await read(lambda: rows.is_in_doubt(job.id)):
        # Whatever sweep, by whatever clock, gave it up: it lives.
        await entrust(job, ledger)
    heard: dict[str, object] = {"misses": 0, "missed_since": None}
    if is_alive:
        progress = found.progress
        heard["state"] = found.status
        heard["progress"] = job.progress if progress is None else progress
    elif found.status == NOT_FOUND:
        since = job.missed_since or clock.now()
        heard = {"misses": job.misses + 1, "missed_since": since}
    elif found.status == UNKNOWN:
        heard["remark"] = rows.with_word(job.remark, "status_unknown")
    else:  # silent: nothing was heard
        heard = {}
    await write(lambda: rows.postpone(job, **heard))
