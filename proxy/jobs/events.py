"""How a job ended, as an event: written with its row, so that it is told if and only
if the row says so. Videos have OpenAI's names for it."""

from __future__ import annotations

from uuid import UUID

from billing import outbox
from billing.outbox import JSON
from proxy.jobs import video_objects
from proxy.models import Job, JobState

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
