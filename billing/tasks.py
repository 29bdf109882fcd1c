"""The ledger's share of the worker's timetable."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.conf import settings

from billing import grants, holds


@shared_task
def sweep_holds() -> dict[str, int]:
    """Resolve the holds that nobody answers for, and book out expired grants. May run
    twice at once.

    The spool first: it knows how some of those calls ended.
    """
    holds.replay_spool()
    swept = holds.sweep(in_doubt_after=timedelta(seconds=settings.IN_DOUBT_SECONDS))
    return {**swept, "lapsed": grants.expire_due()}
