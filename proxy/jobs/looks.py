"""What the upstream says of a job, read with suspicion."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from billing.pricing.usage import CREDITS_PER_BOUND_MAX
from billing.values.orders import CREDIT
from proxy.calls.call import Document
from proxy.calls.counting import is_count
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
class Look:
    """What one look at a job found: a status of the contract, or one of ours."""

    status: str
    document: Document = field(default_factory=dict)

    @property
    def progress(self) -> int | None:
        progress = self.document.get("progress")
        return progress if is_count(progress) and progress <= 100 else None


def is_job(document: Document) -> bool:
    """Whether a reply to a submission is a job, and not the finished result.

    Raises: Ambiguous when it is a job that nobody could ever ask about.
    """
    is_status = isinstance(document.get("status"), str)
    if not is_status or "id" not in document or document.get("data"):
        return False
    upstream_id = document["id"]
    if not isinstance(upstream_id, str) or not UPSTREAM_ID.fullmatch(upstream_id):
        raise Ambiguous("upstream_job_id_invalid")
    return True


def estimate(document: Document, bound_micros: int) -> int | None:
    """`estimated_credits`, unless it is nonsense."""
    credits = document.get("estimated_credits")
    most = max(bound_micros, CREDIT) * CREDITS_PER_BOUND_MAX // CREDIT
    return credits if is_count(credits) and credits <= most else None
