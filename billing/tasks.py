"""The ledger's share of the worker's timetable."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task
from django.conf import settings

from billing import debts, envelopes, grants, holds, usage_days
from billing.ledger import dialect
from billing.verification import checkpoints
from billing.verification.report import verify

# Less than seven days: a run that takes a little longer must not skip a night.
WHOLE_PROOF_EVERY = timedelta(days=6, hours=12)

logger = logging.getLogger(__name__)


@shared_task
def sweep_holds() -> dict[str, int]:
    """Resolve the holds that nobody answers for, close the runs and book out the grants
    that have expired, and pay debts with what running calls have returned. May run
    twice at once.

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
    lapsed = grants.expire_due()
    debts.pay_all()
    return {**swept, "lapsed": lapsed}


@shared_task
def add_usage_days() -> int:
    """Add the quarters of an hour that are over to the sums of days. May run twice at
    once. How many steps that took."""
    return usage_days.add_due()


@shared_task
def verify_ledger() -> int:
    """Prove the ledger: what was written since the last whole proof, and once a week
    all of it. Findings are logged as errors, one line each. How many."""
    whole = checkpoints.oldest()
    is_due = whole is None or whole < dialect.now() - WHOLE_PROOF_EVERY
    report = verify(since_checkpoint=not is_due)
    for finding in report.findings:
        logger.error("ledger: %s %s", finding.code, finding.detail)
    checkpoints.write(report.heads)
    return len(report.findings)
