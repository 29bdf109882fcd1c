"""Jobs: work that goes on after its submission was answered.

    pending ─→ processing ─→ completed   charged, the journal's line is on disk
                         └─→ failed      charged only if its mark wants it

A job runs whether or not anybody asks for it, and its charge is in the journal,
under the job's id, before anybody sees it completed. Jobs live in the memory of the
sandbox's process: one that was not finished when the sandbox stopped is lost, was
not charged, and answers 404 afterwards.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from proxy.sandbox import errors, journal, options
from proxy.sandbox.journal import Journal
from proxy.sandbox.work import Work

POLL_SECONDS_MAX = 30
KEPT_MAX = 10_000  # finished jobs over this number are forgotten, oldest first
PENDING_PERCENT = 15  # of the time; then the job is processing
STANDING_STILL = {"job-unknown", "job-vanishes"}


@dataclass(slots=True)
class Job:
    id: str
    work: Work
    seconds: float
    created: int = field(default_factory=lambda: int(time.time()))
    started: float = field(default_factory=time.monotonic)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    end: dict[str, Any] = field(default_factory=dict)  # what the end adds, if it came
    running: asyncio.Task[None] | None = None  # the loop itself keeps it only weakly

    def submitted(self) -> dict[str, Any]:
        """The contract's AsyncJobResponse."""
        estimate = self.work.marks.estimate
        credits = self.work.credits if estimate is None else estimate
        return {**self._known(), "status": "pending", "estimated_credits": credits}

    def status(self) -> dict[str, Any]:
        """The contract's JobStatusResponse. What is not known yet is left out: the
        document calls it nullable in a word that JSON Schema does not know."""
        if self.end:
            return self._known() | self.end
        percent = self.percent()
        status = "pending" if percent < PENDING_PERCENT else "processing"
        if "job-unknown" in self.work.marks:
            status = "paused"
        progress = 0 if status == "pending" else percent
        return {**self._known(), "status": status, "progress": progress}

    def percent(self) -> int:
        """How much of its time is over; 100 is for jobs that ended."""
        elapsed = time.monotonic() - self.started
        return min(99, int(100 * elapsed / self.seconds)) if self.seconds else 99

    async def run(self, journal: Journal) -> None:
        """Take the time, charge, end; in this order."""
        await asyncio.sleep(self.seconds)
        try:
            end = await self._conclude(journal)
        except OSError:
            end = self._failed("The sandbox's journal cannot be written.")
        over = {"progress": self.percent(), "completed": int(time.time())}
        self.end = over | end
        self.ended.set()

    async def _conclude(self, journal: Journal) -> dict[str, Any]:
        marks, usage = self.work.marks, {"usage": self.work.usage()}
        if "job-fails" in marks:
            return self._failed("The sandbox was asked to fail.")
        await journal.append(self.work.entry(self.id))
        if "job-fails-charged" in marks:
            return self._failed("The sandbox was asked to fail and charge.") | usage
        end = {"status": "completed", "progress": 100, "outputData": self.work.body()}
        return end if "job-no-usage" in marks else end | usage

    def _failed(self, reason: str) -> dict[str, Any]:
        return {"status": "failed", "errorMessage": reason}

    def _known(self) -> dict[str, Any]:
        return {"id": self.id, "created": self.created, "model": self.work.model.id}


class Jobs:
    """The jobs of this process."""

    def __init__(
        self, journal: Journal, *, seconds: float, kept_max: int = KEPT_MAX
    ) -> None:
        self._journal = journal
        self._seconds = seconds
        self._kept_max = kept_max
        self._jobs: dict[str, Job] = {}

    def submit(self, work: Work) -> Job:
        job = Job(f"job-{uuid.uuid4().hex}", work, self._seconds)
        self._forget()
        self._jobs[job.id] = job
        if not STANDING_STILL & work.marks.switches:
            job.running = asyncio.create_task(job.run(self._journal))
        return job

    async def ask(self, job_id: str, *, is_waiting: bool) -> dict[str, Any]:
        """The job's status; with `is_waiting` once it has ended, or after 30 seconds.

        Raises: Refusal (404).
        """
        job = self._jobs.get(job_id)
        if job is None:
            raise errors.Refusal("job_not_found")
        if "job-vanishes" in job.work.marks:
            del self._jobs[job_id]
        elif is_waiting:
            with suppress(TimeoutError):
                await asyncio.wait_for(job.ended.wait(), POLL_SECONDS_MAX)
        return job.status()

    def _forget(self) -> None:
        surplus = len(self._jobs) - self._kept_max + 1
        if surplus > 0:
            done = [job.id for job in self._jobs.values() if job.ended.is_set()]
            for job_id in done[:surplus]:
                del self._jobs[job_id]


@cache
def current() -> Jobs:
    return Jobs(journal.current(), seconds=options.load().job_seconds)
