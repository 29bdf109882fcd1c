"""A customer who orders videos, and the upstream's side of one such job."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from billing.values import clock
from proxy import tasks
from proxy.jobs import seals
from proxy.models import Job
from tests.support.gateway.customers import Customer
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    JournalEntry,
    ScriptedReply,
    Upstream,
    job_accepted,
    job_status,
)
from tests.support.waiting import wait_for

VIDEO = {"url": "https://cdn.example/video.mp4", "codec": {"made": "up"}}
SECONDS = 5
# The tariff's 20 credits a second, for a model without a row of its own.
BOUND_CREDITS = 20 * SECONDS


class VideoJob:
    """One job at the upstream: its id there, its looks, and how many at once."""

    def __init__(
        self, upstream: Upstream, *, credits: int = 0, **accepted: Any
    ) -> None:
        self.upstream = upstream
        self.model = f"video-{uuid4().hex[:8]}"
        self.upstream_id = accepted.pop("upstream_id", f"up:{uuid4().hex[:12]}")
        upstream.on(
            model=self.model,
            reply=job_accepted(self.upstream_id, credits=credits, **accepted),
        )
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        self.will(job_status("processing"))

    def will(self, *replies: ScriptedReply, seconds: float = 0) -> None:
        """What the next looks find; the last one again and again."""
        left = list(replies)

        def look(_entry: JournalEntry) -> ScriptedReply:
            with self._lock:
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                reply = left.pop(0) if len(left) > 1 else left[0]
            time.sleep(seconds)
            with self._lock:
                self.at_once -= 1
            return reply

        self.upstream.on(path=f"/jobs/{self.upstream_id}", reply=look)

    def will_be_done(self, credits: int, **fields: Any) -> None:
        """The next look finds the video ready."""
        usage = {"credits_used": credits}
        self.will(job_status("completed", outputData=VIDEO, usage=usage, **fields))

    def looks(self) -> int:
        path = f"/jobs/{self.upstream_id}"
        return sum(entry.path.endswith(path) for entry in self.upstream.journal)

    def order(
        self, customer: Customer, gateway: Gateway, *, wait: bool = False
    ) -> httpx.Response:
        body = {"model": self.model, "prompt": "A cat.", "duration_seconds": SECONDS}
        query = {"async": "false"} if wait else {}
        http = customer.http(gateway)
        return http.post("/videos/generations", params=query, json=body)

    def ordered(self, customer: Customer, gateway: Gateway) -> Job:
        """Order it, and find our row."""
        reply = self.order(customer, gateway)
        assert reply.status_code == 200, reply.text
        return row(reply.json()["id"])


def row(public_id: str) -> Job:
    return Job.objects.get(id=UUID(public_id.removeprefix("job_")))


def only_job(customer: Customer) -> Job:
    return Job.objects.get(account_id=customer.account_id)


def rewrite(*job_ids: UUID, **changes: Any) -> None:
    """Rows as if the gateway itself had written them so: with their seals."""
    if changes:
        Job.objects.filter(id__in=job_ids).update(**changes)
    for job in Job.objects.filter(id__in=job_ids):
        values = {name: getattr(job, name) for name in (*seals.ENDED, "reply")}
        ended = seals.ended(job.id, values)
        made = {name: ended[name] for name in ("outcome", "reply_digest")}
        Job.objects.filter(id=job.id).update(seal=seals.agreed(job), **made)


def make_due(job: Job, **changes: Any) -> None:
    """As if the wait for the next look, and any claim, were over."""
    past = clock.now() - timedelta(seconds=1)
    rewrite(job.id, next_poll_at=past, claimed_until=None, **changes)


def worker_looks(job: Job) -> Job:
    """One run of the worker's task finds the job due; the job after it."""
    make_due(job)
    tasks.poll_jobs()
    job.refresh_from_db()
    return job


def wait_over(job: Job) -> Job:
    """The job, once something else than this test has ended it."""

    def over() -> Job | None:
        job.refresh_from_db()
        return job if job.is_over else None

    return wait_for(over, explain=lambda: job)
