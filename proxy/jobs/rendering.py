"""A job as its row keeps it, and as customers see it."""

from __future__ import annotations

import orjson

from proxy.calls import usage_shown
from proxy.calls.call import Document
from proxy.models import Job, JobState
from proxy.upstream.redaction import without_key

REPLY_BYTES_MAX = 4 * 1024**2
ERROR_LENGTH_MAX = 500
PURGED = "The result is no longer kept. What it cost is in `usage`."


def store(document: Document) -> tuple[str, str]:
    """The reply as its row keeps it, and a remark when it is too large for that."""
    short = {"status": document.get("status"), "usage": document.get("usage")}
    for said, remark in ((document, ""), (short, "reply_too_large")):
        text = orjson.dumps(said)
        if len(text) <= REPLY_BYTES_MAX:
            return text.decode(), remark
    return "{}", "reply_too_large"


def error_text(document: Document) -> str:
    """The upstream's `errorMessage`, fit to be stored and shown."""
    message = document.get("errorMessage")
    if not isinstance(message, str):
        return ""
    return "".join(filter(str.isprintable, without_key(message)))[:ERROR_LENGTH_MAX]


def reply_of(job: Job) -> Document:
    """The upstream's last word, as far as it is kept."""
    document: Document = orjson.loads(job.reply) if job.reply else {}
    return document


def status(job: Job) -> str:
    """Our state in the contract's four words."""
    shown = {JobState.SUBMITTING: JobState.PENDING, JobState.LOST: JobState.FAILED}
    state = JobState(job.state)
    return shown.get(state, state).value


def render(job: Job) -> Document:
    """The contract's JobStatusResponse, under our id and at the customer's price."""
    document: Document = {
        "progress": job.progress,
        "created": int(job.created_at.timestamp()),
        "completed": job.finished_at and int(job.finished_at.timestamp()),
        "model": job.model,
        "outputData": None,
        **reply_of(job),
        "id": job.public_id,
        "status": status(job),
        "errorMessage": job.error or (PURGED if job.is_without_result else None),
    }
    if job.is_over:
        document["usage"] = usage(job)
    return document


def failure(job: Job) -> tuple[str, str]:
    """Why a job that is over has no result: a code and a sentence."""
    if job.state == JobState.LOST:
        return (
            "upstream_job_lost",
            "The upstream does not know the job any more. Whether it did the work is "
            "not known yet: the credits stay held until that is resolved.",
        )
    return "upstream_job_failed", job.error or "The upstream could not finish the job."


def usage(job: Job) -> Document:
    """The job's `usage` at the customer's charge."""
    found = reply_of(job).get("usage")
    return usage_shown.charged(
        found if isinstance(found, dict) else {}, job.charged_micros or 0
    )
