"""Celery's doors into the gateway. They may run beside themselves: truth is in rows."""

from __future__ import annotations

import asyncio
import logging

from celery import shared_task

from billing.values.errors import LedgerUnavailable
from proxy.idempotency import once
from proxy.jobs import events, reconciliation, rows

logger = logging.getLogger(__name__)


@shared_task
def poll_jobs() -> int:
    """Ask the upstream about the jobs that are due, and settle what is over."""
    try:
        return asyncio.run(reconciliation.poll_due())
    except LedgerUnavailable as error:
        logger.error("no jobs were looked at: %s", error)
        return 0


@shared_task
def name_stuck_jobs() -> int:
    """Say which jobs run for unusually long; how many."""
    return events.emit_stuck()


@shared_task
def purge_replies() -> int:
    """Delete replies, of calls and of jobs, that are past their time; how many."""
    return once.purge() + rows.purge_replies()
