"""A job that lives is charged, whatever a sweep has thought of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command

from billing import holds
from billing.models import Correction, Hold
from proxy.models import Job
from tests.support.gateway.customers import Customer
from tests.support.gateway.video_jobs import VideoJob, make_due, worker_looks
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, job_status

pytestmark = [
    pytest.mark.once,
    pytest.mark.usefixtures("clean_ledger", "worker_upstream"),
]

DONE = job_status("completed", usage={"credits_used": 30})
DOUBTFUL = "caller_died"


@pytest.fixture
def video_job(upstream: Upstream) -> VideoJob:
    return VideoJob(upstream)


def hold_of(job: Job) -> Hold:
    return Hold.objects.get(id=job.id)


def test_a_sweep_during_its_submission_does_not_make_it_free(
    live_gateway: Gateway, video_job: VideoJob, customer: Customer
) -> None:
    job = video_job.ordered(customer, live_gateway)
    # As it is between the upstream's answer and `entrust`, when a sweep came by.
    customer.doubt(job.id.hex, DOUBTFUL)
    make_due(job, entrusted_at=None)
    worker_looks(job)
    assert (hold_of(job).state, hold_of(job).lease_id) == ("open", None)

    holds.sweep(in_doubt_after=timedelta(0))
    assert hold_of(job).state == "open"
    video_job.will(DONE)
    assert worker_looks(job).state == "completed"
    assert customer.charged_credits() == 30


def test_a_sign_of_life_ends_the_doubt_of_an_entrusted_job_too(
    live_gateway: Gateway, video_job: VideoJob, customer: Customer
) -> None:
    job = video_job.ordered(customer, live_gateway)
    customer.doubt(job.id.hex, DOUBTFUL)
    worker_looks(job)

    assert hold_of(job).state == "open"
    video_job.will(DONE)
    worker_looks(job)
    assert customer.charged_credits() == 30


def test_a_price_after_the_rule_has_ended_it_waits_for_the_operator(
    live_gateway: Gateway, video_job: VideoJob, customer: Customer
) -> None:
    job = video_job.ordered(customer, live_gateway)
    customer.doubt(job.id.hex, DOUBTFUL)
    holds.sweep(in_doubt_after=timedelta(0))
    video_job.will(DONE)
    job = worker_looks(job)

    assert (job.state, job.charged_micros, job.remark) == (
        "completed",
        0,
        "resolved_before",
    )
    assert customer.charged_credits() == 0
    word = Correction.objects.get(hold_id=job.id)
    why = ("--reason", "it was made")
    call_command("doubts", "--charge", f"late_{word.id.hex}", *why)
    assert customer.figures() == (99_970_000_000, 0, 99_970_000_000)
