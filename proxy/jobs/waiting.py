"""Waiting for the end of a job: many may wait, one of them in a process looks.

What they look at is the row, so that it does not matter who asked the upstream.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from uuid import UUID

from django.conf import settings

from billing.values.errors import LedgerError
from proxy.http.errors import GatewayError
from proxy.jobs import reconciliation, rows
from proxy.models import Job
from proxy.process.background import BackgroundTasks
from proxy.process.database import read_for

logger = logging.getLogger(__name__)

ROUND_SECONDS = 0.25
# A client that does not want to wait waits for one look at most so long.
GLANCE_SECONDS = 3

# Clients' long polls in this process, by account.
_polls: Counter[int] = Counter()
_glances = BackgroundTasks()


class Watch:
    """Everybody in this process who waits for one job, and the task that looks."""

    running: dict[UUID, Watch] = {}  # noqa: RUF012  one for the process

    def __init__(self, job: Job) -> None:
        self.job = job
        self.waiters = 0
        self.running[job.id] = self
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self.waiters and not self.job.is_over:
                if rows.may_claim(self.job):
                    await _look(self.job)
                # Else the next round reads it.
                with suppress(LedgerError, GatewayError):
                    self.job = await _again(self.job)
                if not self.job.is_over:
                    await asyncio.sleep(ROUND_SECONDS)
        finally:
            del self.running[self.job.id]


async def end_of(job: Job, seconds: float) -> Job:
    """The job once it is over, or as it is after so many seconds."""
    if job.is_over:
        return job
    watch = Watch.running.get(job.id) or Watch(job)
    watch.waiters += 1
    try:
        # Not awaited itself: a client that gives up must not stop the others' look.
        await asyncio.wait({watch.task}, timeout=seconds)
    finally:
        watch.waiters -= 1
    return watch.job


async def poll(job: Job, seconds: float) -> Job:
    """`end_of`, for a client that asks again if need be: at once, as `glance`, where
    JOB_POLLS_MAX others of its account wait already.

    Raises: LedgerUnavailable.
    """
    if _polls[job.account_id] >= settings.JOB_POLLS_MAX:
        return await glance(job)
    _polls[job.account_id] += 1
    try:
        return await end_of(job, seconds)
    finally:
        _polls[job.account_id] -= 1
        if not _polls[job.account_id]:
            del _polls[job.account_id]


async def glance(job: Job) -> Job:
    """The job as it is now; the upstream is asked if it is due.

    Raises: LedgerUnavailable.
    """
    if job.id in Watch.running or not rows.may_claim(job):
        return job
    looking = _glances.start(_look(job))
    await asyncio.wait({looking}, timeout=GLANCE_SECONDS)
    return await _again(job)


async def _again(job: Job) -> Job:
    """Raises: GatewayError (429, 503), LedgerUnavailable."""
    return await read_for(job.account_id, lambda: Job.objects.get(id=job.id))


async def _look(job: Job) -> None:
    try:
        await reconciliation.look(job, is_waited_for=True)
    except LedgerError as error:
        logger.error("%s could not be looked at: %s", job, error)
