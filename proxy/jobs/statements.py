"""What the upstream says of a job, read with suspicion, and what it means in money."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from billing.models.usage import Basis
from billing.pricing import stored
from billing.pricing.rates import Rates, Units
from billing.pricing.usage import CREDITS_PER_BOUND_MAX, measure
from billing.values.orders import CREDIT, Release, Settle, Usage
from proxy.calls import usage_shown as customer_usage
from proxy.calls.call import Document
from proxy.models import Job, JobState
from proxy.upstream.client import Ambiguous
from proxy.upstream.redaction import without_key

# It becomes a part of a URL: nothing in it may lead anywhere else.
UPSTREAM_ID = re.compile(r"(?!\.+\Z)[A-Za-z0-9_.:-]{1,128}")
TERMINAL = (JobState.COMPLETED, JobState.FAILED)
STATUSES = (JobState.PENDING, JobState.PROCESSING, *TERMINAL)
# What one look found, where it was none of the contract's own words.
UNKNOWN = "unknown"  # a status that the contract does not know
NOT_FOUND = "not_found"  # 404
SILENT = "silent"  # no usable answer at all: ask again later

REPLY_BYTES_MAX = 4 * 1024**2
ERROR_LENGTH_MAX = 500
PURGED = "The result is no longer kept. What it cost is in `usage`."


@dataclass(frozen=True, slots=True)
class Accepted:
    """The upstream made a job of the call."""

    upstream_id: str
    status: str
    document: Document


@dataclass(frozen=True, slots=True)
class Statement:
    """What one look at a job found."""

    status: str
    document: Document = field(default_factory=dict)

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def progress(self) -> int | None:
        progress = self.document.get("progress")
        if type(progress) is int and 0 <= progress <= 100:
            return progress
        return None


def accepted(document: Document) -> Accepted | None:
    """The job in a reply to a submission; None when it is the finished result.

    Raises: Ambiguous when it is a job that nobody could ever ask about.
    """
    status = document.get("status")
    if not isinstance(status, str) or "id" not in document or document.get("data"):
        return None
    upstream_id = document["id"]
    if not isinstance(upstream_id, str) or not UPSTREAM_ID.fullmatch(upstream_id):
        raise Ambiguous("upstream_job_id_invalid")
    return Accepted(upstream_id, status, document)


def stated(content: bytes) -> Statement:
    """The statement in the body of a 200."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return Statement(SILENT)
    if not isinstance(document, dict):
        return Statement(SILENT)
    status = document.get("status")
    return Statement(status if status in STATUSES else UNKNOWN, document)


def estimate(document: Document, bound_micros: int) -> int | None:
    """`estimated_credits`, unless it is nonsense."""
    credits = document.get("estimated_credits")
    most = max(bound_micros, CREDIT) * CREDITS_PER_BOUND_MAX // CREDIT
    return credits if type(credits) is int and 0 <= credits <= most else None


# --- in money --------------------------------------------------------------------


def terms(rates: Rates, least: Units, remembered: Document) -> dict[str, Any]:
    """What settling will need, as JSON: a tariff changed meanwhile changes nothing.
    And what is `remembered` of the request, to be shown."""
    return {
        "rates": stored.rates_to_json(rates),
        "least": stored.units_to_json(least),
        "remembered": remembered,
    }


def least(job: Job) -> Units:
    """What the job surely uses. Raises: ValueError when its terms cannot be read."""
    return stored.units_from_json(job.terms.get("least"))


def resolution(job: Job, statement: Statement) -> Settle | Release:
    """What a terminal statement does to the job's hold.

    Raises: ValueError when the job's terms cannot be read."""
    usage = _usage(job, statement.document.get("usage"))
    if statement.status == JobState.COMPLETED:
        return Settle(job.id.hex, job.account_id, usage)
    reason = "upstream_job_failed"
    if usage.basis == Basis.UPSTREAM and usage.cost_micros:
        # A failure that the upstream charges for costs what any other does.
        return Settle(job.id.hex, job.account_id, usage, reason)
    unproven = None
    if "usage_invalid" in usage.flags:
        unproven = replace(usage, basis=Basis.IN_DOUBT.value, cost_micros=0)
    return Release(job.id.hex, job.account_id, reason, unproven)


def _usage(job: Job, report: Any) -> Usage:
    usage = measure(
        report,
        rates=stored.rates_from_json(job.terms.get("rates")),
        bound_micros=job.bound_micros,
        counted=least(job),
    )
    usage = replace(usage, upstream_id=job.upstream_id)
    if usage.basis != Basis.ESTIMATED:
        return usage
    if "usage_invalid" not in usage.flags:
        usage = replace(usage, flags=(*usage.flags, "usage_missing"))
    if job.estimated_credits is None:
        return usage
    return replace(usage, cost_micros=job.estimated_credits * CREDIT)


# --- to keep, and to show ----------------------------------------------------------


def kept(document: Document) -> tuple[str, str]:
    """The reply as it is stored, and a remark when it is too large for that."""
    text = orjson.dumps(document)
    if len(text) <= REPLY_BYTES_MAX:
        return text.decode(), ""
    short = {"status": document.get("status"), "usage": document.get("usage")}
    text = orjson.dumps(short)
    return (text if len(text) <= REPLY_BYTES_MAX else b"{}").decode(), "reply_too_large"


def error_text(document: Document) -> str:
    """The upstream's `errorMessage`, fit to be stored and shown."""
    message = document.get("errorMessage")
    if not isinstance(message, str):
        return ""
    return "".join(filter(str.isprintable, without_key(message)))[:ERROR_LENGTH_MAX]


def shown(job: Job) -> Document:
    """The contract's JobStatusResponse, under our id and at the customer's price."""
    said: Document = orjson.loads(job.reply) if job.reply else {}
    finished = job.finished_at and int(job.finished_at.timestamp())
    document: Document = {
        "progress": job.progress,
        "created": int(job.created_at.timestamp()),
        "completed": finished,
        "model": job.model,
        "outputData": None,
        **said,
        "id": job.public_id,
        "status": _status(job),
        "errorMessage": job.error or (PURGED if job.is_without_result else None),
    }
    if job.is_over:
        document["usage"] = usage_shown(job)
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


def usage_shown(job: Job) -> Document:
    """The job's `usage` at the customer's charge."""
    usage = orjson.loads(job.reply).get("usage") if job.reply else None
    usage = usage if isinstance(usage, dict) else {}
    return customer_usage.charged(usage, job.charged_micros or 0)


def _status(job: Job) -> str:
    """Our state in the contract's four words."""
    if job.state == JobState.SUBMITTING:
        return JobState.PENDING.value
    return JobState.FAILED.value if job.state == JobState.LOST else job.state
