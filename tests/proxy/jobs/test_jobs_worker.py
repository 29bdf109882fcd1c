"""The real worker finds a job by its own timetable, with nobody asking."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.gateway.customers import Customer
from tests.support.gateway.video_jobs import VideoJob, wait_over
from tests.support.services.gateway import Gateway
from tests.support.services.worker import Worker
from tests.support.upstream import Upstream


@pytest.mark.once
def test_a_job_is_settled_while_nobody_looks(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UPSTREAM_BASE_URL", upstream.url)
    monkeypatch.setenv("JOB_POLL_SECONDS", "1")
    video_job = VideoJob(upstream, credits=21)
    video_job.will_be_done(21)
    job = video_job.ordered(customer, live_gateway)
    with Worker(tmp_path) as worker:
        wait_over(job)

    assert (job.state, customer.charged_credits()) == ("completed", 21), worker.text()
    assert video_job.looks() == 1
