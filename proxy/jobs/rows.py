"""The rows of jobs, for the threads of `proxy.process.database`.

Every change may be repeated, and no row is locked while somebody waits for the
upstream: whose turn it is to ask is a claim in the row, which runs out by itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce

from billing.models import Hold
from billing.models.hold import HoldState
from billing.models.usage import Basis
from billing.reports.calls import charge_of
from billing.values import clock
from proxy.jobs import events, seals
from proxy.models import Job, JobState
from proxy.models.job import ASKED_ABOUT, UNFINISHED

# Longer than any look at the upstream may take (`reconciliation.LOOK_SECONDS`).
CLAIM = timedelta(seconds=40)
# How often the upstream is asked while somebody waits, and while nobody does.
WAITED_FOR = timedelta(seconds=1)
BACKOFF_SECONDS = (2, 3, 5, 8, 12, 18, 25, 30)
# Beyond the longest call, before an intent is given up.
SUBMITTING_SLACK = timedelta(seconds=120)
BATCH_MAX = 50
PURGE_ROWS = 500


def create(job: Job) -> None:
    """The id is the call's own, so a row that is there is this one, written before."""
    job.seal = seals.agreed(job)
    Job.objects.bulk_create([job], ignore_conflicts=True)


def accept(job: Job) -> None:
    """The upstream has named it: everything that happens next needs only the row, even
    one that was given up meanwhile."""
    job.seal = seals.agreed(job)
    job.save(
        force_update=True,
        update_fields=[
            *("upstream_id", "state", "estimated_credits", "bound_micros"),
            *("next_poll_at", "finished_at", "remark", "seal"),
        ],
    )


def due() -> list[Job]:
    """Jobs that the worker should ask about now, those that waited longest first."""
    now = clock.now()
    waiting = Job.objects.filter(
        _unclaimed(now), state__in=ASKED_ABOUT, next_poll_at__lte=now
    )
    return list(waiting.order_by("next_poll_at")[:BATCH_MAX])


def claim(job_id: UUID, token: str, *, is_waited_for: bool) -> Job | None:
    """The job, if it is due and this caller's to ask about; else None.

    One conditional update: of all who try at once, in whatever process, one wins. Who
    has the claim gets it again, because the first answer may have been lost.
    """
    now = clock.now()
    is_due = Q(next_poll_at__lte=now)
    if is_waited_for:
        is_due |= Q(polled_at__isnull=True) | Q(polled_at__lte=now - WAITED_FOR)
    claimed = Job.objects.filter(
        _unclaimed(now) | Q(claimed_by=token), is_due, id=job_id, state__in=ASKED_ABOUT
    ).update(claimed_by=token, claimed_until=now + CLAIM)
    return Job.objects.get(id=job_id) if claimed else None


def may_claim(job: Job) -> bool:
    """Whether trying to claim for somebody who waits could succeed; saves a write."""
    now = clock.now()
    return (
        job.state in ASKED_ABOUT
        and (job.claimed_until is None or job.claimed_until < now)
        and (job.polled_at is None or job.polled_at <= now - WAITED_FOR)
    )


def _unclaimed(now: datetime) -> Q:
    return Q(claimed_until__isnull=True) | Q(claimed_until__lt=now)


def is_in_doubt(job_id: UUID) -> bool:
    """Whether somebody gave up its hold."""
    return Hold.objects.filter(id=job_id, state=HoldState.IN_DOUBT).exists()


def postpone(job: Job, **heard: Any) -> None:
    """The look told no end: write down what it told, and give the claim back."""
    seconds = BACKOFF_SECONDS[min(job.polls, len(BACKOFF_SECONDS) - 1)]
    next_poll_at = clock.now() + timedelta(seconds=seconds)
    Job.objects.filter(
        id=job.id, claimed_by=job.claimed_by, state__in=ASKED_ABOUT
    ).update(next_poll_at=next_poll_at, **_looked_at(job), **heard)


def finish(job: Job, state: JobState, **values: Any) -> bool:
    """Write how the job ended; False when that was written before."""
    ended = seals.ended(job.id, {"state": state, "finished_at": clock.now(), **values})
    with transaction.atomic():
        finished = Job.objects.filter(id=job.id, state__in=UNFINISHED).update(
            **ended, **_looked_at(job)
        )
        if finished:
            events.emit_end(job.id)
    return finished == 1


def _looked_at(job: Job) -> dict[str, Any]:
    """After a look: it is counted, and its claim given back."""
    return {
        "polls": job.polls + 1,
        "polled_at": clock.now(),
        "claimed_by": "",
        "claimed_until": None,
    }


def with_word(remarks: str, *words: str) -> str:
    """`remarks` and those of `words` that are new, within the column's width."""
    found = dict.fromkeys([*remarks.split(), *filter(None, words)])
    return " ".join(found)[:200]


# --- submissions that nobody finished ------------------------------------------------


def conclude(job_id: UUID, hold_state: str) -> int:
    """End a submission that led to no job, the way its hold ended; 1, or 0 if it was
    ended before."""
    charged, basis = charge_of(job_id)
    state = JobState.LOST
    if hold_state == HoldState.SETTLED:
        state = JobState.COMPLETED
    elif hold_state == HoldState.RELEASED and basis != Basis.IN_DOUBT:
        state = JobState.FAILED
    ended = seals.ended(
        job_id,
        {
            "state": state,
            "finished_at": clock.now(),
            "charged_micros": charged,
            "basis": basis,
        },
    )
    with transaction.atomic():
        concluded = Job.objects.filter(id=job_id, state=JobState.SUBMITTING).update(
            **ended, remark="never_accepted"
        )
        if concluded:
            events.emit_end(job_id)
    return concluded


def conclude_abandoned() -> int:
    """End the submissions whose process died, or that nobody answered; how many.

    Their holds are the sweep's to resolve.
    """
    longest = timedelta(seconds=settings.UPSTREAM_TOTAL_SECONDS) + SUBMITTING_SLACK
    state = Hold.objects.filter(id=OuterRef("id")).values("state")
    abandoned = (
        Job.objects.filter(state=JobState.SUBMITTING)
        .annotate(hold_state=Coalesce(Subquery(state), Value(HoldState.IN_DOUBT)))
        .filter(Q(created_at__lt=clock.now() - longest) | ~Q(hold_state=HoldState.OPEN))
        .values_list("id", "hold_state")
    )
    return sum(conclude(*found) for found in abandoned[:BATCH_MAX])


# --- results past their time ---------------------------------------------------------


def purge_replies(*, batch_rows: int = PURGE_ROWS) -> int:
    """Empty the replies of jobs that ended long enough ago; how many.

    The rows stay, and with them how each job ended and what it cost.
    """
    until = clock.now() - timedelta(seconds=settings.JOB_REPLY_SECONDS)
    due = Job.objects.filter(finished_at__lte=until).exclude(reply="")
    purged = 0
    while True:
        chosen = list(due.values_list("id", flat=True)[:batch_rows])
        purged += due.filter(id__in=chosen).update(reply="")
        if len(chosen) < batch_rows:
            return purged
