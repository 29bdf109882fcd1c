"""What the upstream says of a job, read with suspicion."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import orjson

from billing.pricing.usage import CREDITS_PER_BOUND_MAX
from billing.values.orders import CREDIT
from proxy.calls.call import Document
from proxy.models import JobState
from proxy.upstream.client import Ambiguous

# It becomes a part of a URL: nothing in it may lead anywhere else.
UPSTREAM_ID = re.compile(r"(?!\.+\Z)[A-Za-z0-9_.:-]{1,128}")
TERMINAL = (JobState.COMPLETED, JobState.FAILED)
STATUSES = (JobState.PENDING, JobState.PROCESSING, *TERMINAL)
# What one look found, where it was none of the contract's own words.
UNKNOWN = "unknown"  # a status that the contract does not know
NOT_FOUND = "not_found"  # 404
SILENT = "silent"  # no usable answer at all: ask again later


@dataclass(frozen=True, slots=True)
class Accepted:
    """The upstream made a job of the call."""

    upstream_id: str
    status: str
    document: Document


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a job found: a status of the contract, or one of ours."""

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


def parse(content: bytes) -> Look:
    """What the body of a 200 says of a job."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return Look(SILENT)
    if not isinstance(document, dict):
        return Look(SILENT)
    status = document.get("status")
    return Look(status if status in STATUSES else UNKNOWN, document)


def estimate(document: Document, bound_micros: int) -> int | None:
    """`estimated_credits`, unless it is nonsense."""
    credits = document.get("estimated_credits")
    most = max(bound_micros, CREDIT) * CREDITS_PER_BOUND_MAX // CREDIT
    return credits if type(credits) is int and 0 <= credits <= most else None
