"""The ledger's share of the worker's timetable."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task
from django.conf import settings

from billing import envelopes, grants, holds
from billing.verification.report import verify

logger = logging.getLogger(__name__)


@shared_task
def sweep_holds() -> dict[str, int]:
    """Resolve the holds that nobody answers for, close the runs and book out the grants
    that have expired. May run twice at once.

    The spool first: it knows how some of those calls ended.
    """
    is_whole = not holds.replay_spool()["left"]
    swept = holds.sweep(
        in_doubt_after=timedelta(seconds=settings.IN_DOUBT_SECONDS),
        has_all_evidence=is_whole,
    )
    if not is_whole:
        logger.warning("no doubt is closed: the spool is not replayed whole")
    envelopes.expire_due()  # before the grants: what comes back may lapse
    return {**swept, "lapsed": grants.expire_due()}


@shared_task
def verify_ledger() -> int:
    """Prove the ledger; findings are logged as errors, one line each. How many."""
    report = verify()
    for finding in report.findings:
        logger.error("ledger: %s %s", finding.code, finding.detail)
    return len(report.findings)
