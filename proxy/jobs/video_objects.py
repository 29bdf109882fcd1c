"""A video's job as OpenAI's Video object, under an id of its own.

`video_<hex>` and `job_<hex>` are the same row. Its prompt was never kept, so `prompt`
is null; `seconds` and `size` are what was asked for. It expires when we forget where
the upstream keeps it (which may forget it sooner), and nothing is remixed.
"""

from __future__ import annotations

from typing import Any

import orjson
from django.conf import settings

from proxy.calls.call import Document
from proxy.jobs import rendering, settlement
from proxy.models import Job, JobState

STATUSES = {
    JobState.SUBMITTING: "queued",
    JobState.PENDING: "queued",
    JobState.PROCESSING: "in_progress",
    JobState.COMPLETED: "completed",
    JobState.FAILED: "failed",
    JobState.LOST: "failed",
}


def public_id(job: Job) -> str:
    """What `client.videos` calls it."""
    return f"video_{job.id.hex}"


def status(job: Job) -> str:
    """Our state in OpenAI's four words."""
    return STATUSES[JobState(job.state)]


def render(job: Job) -> Document:
    """OpenAI's Video, and beside it the contract's `usage` once the job is over."""
    is_completed = job.state == JobState.COMPLETED
    # A job older than the memory of sizes has none.
    remembered = job.terms.get("remembered", {})
    document: Document = {
        "id": public_id(job),
        "object": "video",
        "status": status(job),
        "progress": 100 if is_completed else job.progress,
        "created_at": int(job.created_at.timestamp()),
        "completed_at": job.finished_at and int(job.finished_at.timestamp()),
        "expires_at": _expires_at(job) if is_completed else None,
        "model": job.model,
        "prompt": None,
        "seconds": f"{settlement.least(job).media_ms / 1000:g}",
        "size": remembered.get("size"),
        "error": None,
        "remixed_from_video_id": None,
    }
    if job.is_over:
        document["usage"] = rendering.usage(job)
        if not is_completed:
            code, message = rendering.failure(job)
            document["error"] = {"code": code, "message": message}
    return document


def _expires_at(job: Job) -> int | None:
    """Unix seconds."""
    if job.finished_at is None:
        return None
    kept_seconds: int = settings.JOB_REPLY_SECONDS
    return int(job.finished_at.timestamp()) + kept_seconds


def result(job: Job) -> Any:
    """What the upstream made, as it said at the end; None if it did not."""
    return orjson.loads(job.reply).get("outputData") if job.reply else None


def address(made: Any) -> str | None:
    """The video's address in the contract's VideoGenerationResponse, or in an object
    that is only its `data`; None where there is none."""
    if not isinstance(made, dict):
        return None
    data = made.get("data")
    url = (data if isinstance(data, dict) else made).get("url")
    return url if isinstance(url, str) else None
