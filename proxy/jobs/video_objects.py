"""A video's job as OpenAI's Video object: `video_<hex>` is the row of `job_<hex>`.

It expires when we forget where the upstream keeps it, which may forget it sooner.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings

from proxy.calls.call import Document
from proxy.jobs import rendering, settlement
from proxy.models import Job, JobState


def public_id(job: Job) -> str:
    """What `client.videos` calls it."""
    return f"video_{job.id.hex}"


def status(job: Job) -> str:
    """Our state in OpenAI's four words."""
    shown = rendering.status(job)
    return {"pending": "queued", "processing": "in_progress"}.get(shown, shown)


def render(job: Job) -> Document:
    """OpenAI's Video, and beside it the contract's `usage` once the job is over."""
    is_completed = job.state == JobState.COMPLETED
    finished = job.finished_at and int(job.finished_at.timestamp())
    expires = finished and finished + settings.JOB_REPLY_SECONDS
    document: Document = {
        "id": public_id(job),
        "object": "video",
        "status": status(job),
        "progress": 100 if is_completed else job.progress,
        "created_at": int(job.created_at.timestamp()),
        "completed_at": finished,
        "expires_at": expires if is_completed else None,
        "model": job.model,
        "prompt": None,
        "seconds": f"{settlement.least(job).media_ms / 1000:g}",
        # A job older than the memory of sizes has none.
        "size": job.terms.get("remembered", {}).get("size"),
        "error": None,
        "remixed_from_video_id": None,
    }
    if job.is_over:
        document["usage"] = rendering.usage(job)
        if not is_completed:
            code, message = rendering.failure(job)
            document["error"] = {"code": code, "message": message}
    return document


def address(made: Any) -> str | None:
    """The video's address in the contract's VideoGenerationResponse, or in an object
    that is only its `data`; None where there is none."""
    if not isinstance(made, dict):
        return None
    data = made.get("data")
    url = (data if isinstance(data, dict) else made).get("url")
    return url if isinstance(url, str) else None
