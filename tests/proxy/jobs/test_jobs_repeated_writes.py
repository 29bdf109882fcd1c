"""A change of a job's row may be made twice: its first answer can be lost."""

from __future__ import annotations

import pytest

from proxy.jobs import rows
from proxy.models import Job, JobState
from tests.support.gateway.customers import Customer
from tests.support.gateway.video_jobs import VideoJob, make_due
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream

pytestmark = pytest.mark.usefixtures("clean_ledger", "worker_upstream")


@pytest.fixture
def job(live_gateway: Gateway, upstream: Upstream, customer: Customer) -> Job:
    job = VideoJob(upstream).ordered(customer, live_gateway)
    make_due(job)
    return job


def test_a_row_that_was_made_is_made(job: Job) -> None:
    copy = Job.objects.get(id=job.id)
    rows.create(copy)

    assert Job.objects.get(id=job.id).state == JobState.PENDING


def test_a_claim_is_its_owners_the_second_time_too(job: Job) -> None:
    assert rows.claim(job.id, "me", is_waited_for=False)
    assert rows.claim(job.id, "me", is_waited_for=False)
    assert rows.claim(job.id, "you", is_waited_for=False) is None


def test_an_end_that_is_written_twice_stays_the_first(job: Job) -> None:
    mine = rows.claim(job.id, "me", is_waited_for=False)
    assert mine is not None
    rows.finish(mine, JobState.COMPLETED, reply="{}")
    rows.finish(mine, JobState.COMPLETED, reply="{}")
    rows.postpone(mine)

    ended = Job.objects.get(id=job.id)
    assert (ended.state, ended.polls, ended.remark) == ("completed", 1, "")
