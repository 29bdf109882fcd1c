"""How a job ended, as an event: written with its row, so that it is told if and only
if the row says so. Videos have OpenAI's names for it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from billing import outbox
from billing.outbox import JSON
from billing.values import clock
from proxy.jobs import video_objects
from proxy.models import Job, JobState
from proxy.models.job import ASKED_ABOUT

STUCK_MAX = 200  # in one look
VIDEO = "videos.generations"
# OpenAI knows no lost videos: to its clients they failed, too.
TYPES = {
    JobState.COMPLETED: ("video.completed", "job.completed"),
    JobState.FAILED: ("video.failed", "job.failed"),
    JobState.LOST: ("video.failed", "job.lost"),
}


def emit_end(job_id: UUID) -> None:
    """Once for each job. Call it in the transaction that ends the row."""
    job = Job.objects.get(id=job_id)
    of_video, of_others = TYPES[JobState(job.state)]
    is_video = job.operation == VIDEO
    data: dict[str, JSON] = {
        "id": video_objects.public_id(job) if is_video else job.public_id,
        "object": "video" if is_video else "job",
        "job_id": job.public_id,
        "operation": job.operation,
        "model": job.model,
        "state": job.state,
        "error": job.error or None,
        "charged_micros": job.charged_micros,
        "created_at": int(job.created_at.timestamp()),
    }
    kind = of_video if is_video else of_others
    outbox.emit(job.account_id, kind, data, key=job.id.hex)


def emit_stuck() -> int:
    """Name the jobs that run for a quarter of the longest time already, each once; how
    many there are."""
    longest = timedelta(seconds=settings.JOB_SECONDS_MAX)
    old = Job.objects.filter(
        state__in=ASKED_ABOUT, created_at__lt=clock.now() - longest / 4
    )
    found = list(old.order_by("created_at")[:STUCK_MAX])
    with transaction.atomic():
        for job in found:
            data: dict[str, JSON] = {
                "id": job.public_id,
                "object": "job",
                "operation": job.operation,
                "model": job.model,
                "since": job.created_at.isoformat(timespec="seconds"),
            }
            outbox.emit(job.account_id, "job.stuck", data, key=job.id.hex)
    return len(found)
