"""What fails on our own side of a job: nothing is sent twice, nothing is forgotten."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError

from billing.models.hold import HoldState
from billing.values import errors
from billing.values.orders import Entrust, Settle
from portal.tenants import keys
from proxy.calls import exchange
from proxy.calls.call import Incoming
from proxy.calls.resolving import LEDGER, LedgerAccess
from proxy.http.errors import GatewayError
from proxy.jobs import reconciliation, rows, submission
from proxy.jobs.submission import Storing
from proxy.models import Job
from proxy.operations import videos
from proxy.process.database import read, write
from proxy.upstream import client
from tests.support.gateway.customers import Customer
from tests.support.gateway.video_jobs import VideoJob, make_due, only_job, worker_looks
from tests.support.upstream import Upstream
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.usefixtures("clean_ledger", "worker_upstream")


def without(kind: type[Any], *, after: bool = False) -> LedgerAccess:
    """A ledger that does not answer to one kind of order, done (`after`) or not."""

    async def submit(order: Any) -> Any:
        if isinstance(order, kind):
            if after:
                await LEDGER.submit(order)
            raise errors.LedgerUnavailable("gone")
        return await LEDGER.submit(order)

    return LedgerAccess(submit, pause_seconds=0.01, patience_seconds=0.05)


def gone(*_: Any, **__: Any) -> None:
    raise OperationalError("the database is gone")


def forward(video_job: VideoJob, customer: Customer, **seams: Any) -> Any:
    """Order a video in this very process."""
    return asyncio.run(called(video_job, customer, **seams))


async def called(
    video_job: VideoJob,
    customer: Customer,
    *,
    ledger: LedgerAccess = LEDGER,
    **changes: Any,
) -> Any:
    identity = await read(lambda: keys.verify(customer.secret))
    document = {"model": video_job.model, "prompt": "A cat."}
    storing = replace(
        Storing(pauses=(0.01,), later_seconds=0.05),
        **{name: changes.pop(name) for name in ("create", "accept") if name in changes},
    )
    understood = replace(videos.read(Incoming(document)), **changes)
    begun = await exchange.begin(understood, identity, customer.secret, ledger=ledger)
    try:
        return await submission.submit(begun, storing=storing)
    finally:
        await client.close()


def worker_looks_with(job: Job, ledger: LedgerAccess) -> Job:
    """One run of the worker, whose orders go to this ledger; the job after it."""
    make_due(job)
    asyncio.run(reconciliation.poll_due(ledger))
    job.refresh_from_db()
    return job


def test_without_an_intent_nothing_is_sent(
    upstream: Upstream, customer: Customer
) -> None:
    with pytest.raises(GatewayError) as refused:
        forward(VideoJob(upstream), customer, create=gone)

    assert (refused.value.status, refused.value.should_retry) == (503, True)
    assert [h.state for h in customer.holds()] == ["released"]
    assert len(upstream.journal) == 0


def test_an_id_that_cannot_be_kept_is_not_answered(
    upstream: Upstream, customer: Customer
) -> None:
    with pytest.raises(GatewayError) as refused:
        forward(VideoJob(upstream), customer, accept=gone)

    assert (refused.value.status, refused.value.should_retry) == (503, False)
    assert only_job(customer).state == "submitting"
    assert [h.state for h in customer.holds()] == ["open"]  # it falls due
    assert len(upstream.journal) == 1


def test_an_id_is_kept_when_the_database_is_back_even_if_the_job_was_given_up(
    upstream: Upstream, customer: Customer
) -> None:
    video_job, is_back = VideoJob(upstream), threading.Event()

    def accept_later(job: Job) -> None:
        if not is_back.is_set():
            gone()
        rows.accept(job)

    async def order() -> None:
        with pytest.raises(GatewayError):
            await called(video_job, customer, accept=accept_later)
        assert len(submission.storing_later) == 1
        job = await read(lambda: only_job(customer))
        await write(lambda: rows.conclude(job.id, HoldState.IN_DOUBT))
        is_back.set()
        await submission.storing_later.wait(PATIENCE_SECONDS)

    asyncio.run(order())
    job = only_job(customer)
    assert (job.state, job.upstream_id) == ("pending", video_job.upstream_id)
    assert job.finished_at is None
    video_job.will_be_done(31)

    assert worker_looks(job).state == "completed"
    assert customer.charged_credits() == 31


def test_a_job_that_is_not_entrusted_yet_is_by_the_next_look(
    upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream, credits=9)
    assert forward(video_job, customer, ledger=without(Entrust)).status_code == 200
    job = only_job(customer)
    assert job.entrusted_at is None

    assert worker_looks(job).entrusted_at is not None
    [hold] = customer.holds()
    assert (hold.due_at - job.created_at).days == 1


def test_a_crash_of_our_own_does_not_end_a_job(
    upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream, credits=9)
    with pytest.raises(ZeroDivisionError):
        forward(video_job, customer, receipt=lambda *_: 1 / 0)
    job = only_job(customer)
    assert [h.state for h in customer.holds()] == ["open"]

    video_job.will_be_done(9)
    assert worker_looks(job).state == "completed"
    assert customer.charged_credits() == 9


def test_a_job_that_could_not_be_settled_is_asked_about_again(
    upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream, credits=9)
    forward(video_job, customer)
    job = only_job(customer)
    video_job.will_be_done(9)
    assert worker_looks_with(job, without(Settle)).state == "pending"
    assert job.claimed_until is not None  # runs out by itself
    assert customer.records() == []

    assert worker_looks(job).state == "completed"
    assert customer.charged_credits() == 9


def test_a_row_that_could_not_be_written_is_charged_once(
    upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream, credits=9)
    forward(video_job, customer)
    job = only_job(customer)
    video_job.will_be_done(9)
    lost = without(Settle, after=True)
    assert worker_looks_with(job, lost).state == "pending"
    # The upstream has changed its mind meanwhile: the ledger has not.
    video_job.will_be_done(70)
    make_due(job)

    assert worker_looks(job).state == "completed"
    assert customer.charged_credits() == 9
    assert job.charged_micros == 9_000_000
