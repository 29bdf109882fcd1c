"""Results are kept for a week; that a job was done, and what it cost, for ever."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings

from billing.values import clock
from billing.values.orders import CREDIT
from proxy import tasks
from proxy.jobs import reconciliation, rows
from proxy.jobs.looks import Look
from proxy.jobs.rendering import PURGED
from proxy.models import Job
from proxy.upstream import schemas
from tests.support.gateway.customers import Customer
from tests.support.gateway.video_jobs import VIDEO, VideoJob, rewrite, worker_looks
from tests.support.services.gateway import Gateway
from tests.support.upstream import ScriptedReply, Upstream, job_status

pytestmark = pytest.mark.usefixtures("clean_ledger", "worker_upstream")

DONE = job_status("completed", outputData=VIDEO, usage={"credits_used": 6})


def ended(
    gateway: Gateway, upstream: Upstream, customer: Customer, end: ScriptedReply
) -> Job:
    video_job = VideoJob(upstream, credits=6)
    job = video_job.ordered(customer, gateway)
    video_job.will(end)
    return worker_looks(job)


def long_ago(*, seconds: int = 1) -> datetime:
    """By so many seconds past the time of a result."""
    return clock.now() - timedelta(seconds=settings.JOB_REPLY_SECONDS + seconds)


def age(*jobs: Job, **options: int) -> None:
    rewrite(*(job.id for job in jobs), finished_at=long_ago(**options))


def shown(gateway: Gateway, customer: Customer, job: Job) -> dict[str, Any]:
    reply = customer.http(gateway).get(f"/jobs/{job.public_id}")
    assert reply.status_code == 200
    assert reply.headers["x-credits-charged"] == "6"
    document: dict[str, Any] = reply.json()
    said = {name: value for name, value in document.items() if value is not None}
    schemas.validator("JobStatusResponse").validate(said)
    return document


def test_a_result_past_its_time_is_gone_and_the_job_says_so(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    job = ended(live_gateway, upstream, customer, DONE)
    age(job, seconds=-60)
    tasks.purge_replies()
    document = shown(live_gateway, customer, job)
    assert (document["outputData"], document["errorMessage"]) == (VIDEO, None)

    age(job)
    assert tasks.purge_replies() >= 1
    document = shown(live_gateway, customer, job)
    assert (document["outputData"], document["errorMessage"]) == (None, PURGED)
    assert (document["status"], document["progress"]) == ("completed", 100)
    assert document["usage"] == {"credits_used": 6}
    job.refresh_from_db()
    assert (job.reply, job.charged_micros) == ("", 6 * CREDIT)
    assert (job.state, job.basis, job.remark) == ("completed", "upstream", "")


def test_why_a_job_failed_is_still_told(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    usage = {"credits_used": 6}
    end = job_status("failed", errorMessage="Too dark.", usage=usage)
    job = ended(live_gateway, upstream, customer, end)
    age(job)
    tasks.purge_replies()

    document = shown(live_gateway, customer, job)
    assert (document["status"], document["errorMessage"]) == ("failed", "Too dark.")
    assert (document["outputData"], document["usage"]) == (None, usage)


def test_a_straggler_after_the_purge_changes_and_remarks_nothing(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream, credits=6)
    before = video_job.ordered(customer, live_gateway)
    video_job.will(DONE)
    job = worker_looks(Job.objects.get(id=before.id))
    said = {"status": "completed", "outputData": VIDEO, "usage": {"credits_used": 6}}
    age(job)
    tasks.purge_replies()
    # Somebody whose claim ran out while the upstream thought comes very late.
    for status, remark in (("completed", ""), ("failed", "job_changed")):
        statement = Look(status, {**said, "status": status})
        asyncio.run(reconciliation.apply(before, statement))
        job.refresh_from_db()
        assert (job.state, job.reply, job.remark) == ("completed", "", remark)


def released(customer: Customer) -> str:
    """A hold that cost nothing."""
    hold_id = customer.hold(0)
    customer.release(hold_id)
    return hold_id


def test_a_backlog_is_purged_in_batches(customer: Customer) -> None:
    kept, *old = [
        Job(
            id=UUID(released(customer)),
            account_id=customer.account_id,
            spender_id=customer.spender_id,
            operation="chat.completions",
            model="openai/gpt-4o",
            bound_micros=0,
            terms={},
            state="completed",
            reply='{"status": "completed"}',
            created_at=long_ago(),
            finished_at=long_ago(seconds=-60 if number == 0 else 1),
        )
        for number in range(6)
    ]
    Job.objects.bulk_create([kept, *old])
    rewrite(kept.id, *(job.id for job in old))

    assert rows.purge_replies(batch_rows=2) >= 5
    left = Job.objects.filter(account_id=kept.account_id).exclude(reply="")
    assert [job.id for job in left] == [kept.id]
    assert rows.purge_replies() == 0
