"""The tables of the gateway: what it must remember beyond one call."""

from __future__ import annotations

from proxy.models.installation import Installation
from proxy.models.job import Job, JobState
from proxy.models.stored_reply import StoredReply

__all__ = ["Installation", "Job", "JobState", "StoredReply"]
