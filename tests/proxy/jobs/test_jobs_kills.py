"""`kill -9` of the worker among its jobs: each is settled once, none is forgotten."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support import seeds
from tests.support.gateway.customers import Customer
from tests.support.gateway.video_jobs import VIDEO, VideoJob, worker_looks
from tests.support.services import processes
from tests.support.services.gateway import Gateway
from tests.support.services.warm import WarmProcess
from tests.support.upstream import Upstream, job_status
from tests.support.waiting import wait_for

# A worker takes seconds to start, so there are fewer of these than of the gateway's.
ROUNDS = int(os.environ.get("KILLS") or 10) // 5
VIDEOS = 6
CREDITS = 21
LOOK_SECONDS = 0.15  # what the upstream takes to answer: kills meet looks under way


def killed_worker(
    folder: Path, video_jobs: list[VideoJob], looks: int, pause: float
) -> None:
    """A real worker, killed a moment after its videos were looked at so often."""
    log = folder / "worker.log"
    process = WarmProcess(
        ["worker"], environment={**os.environ, "VAR_DIR": str(folder)}, stdout=log
    )
    try:
        wait_for(
            lambda: sum(video_job.looks() for video_job in video_jobs) >= looks,
            explain=log.read_text,
        )
        time.sleep(pause)
    finally:
        processes.signal_group(process, signal.SIGKILL)
        process.wait()


@pytest.mark.once
@pytest.mark.timeout(900 + 15 * ROUNDS)
@pytest.mark.usefixtures("clean_ledger", "worker_upstream")
def test_a_killed_worker_charges_nothing_twice_and_forgets_nothing(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UPSTREAM_BASE_URL", upstream.url)
    monkeypatch.setenv("JOB_POLL_SECONDS", "1")
    chance = seeds.drawn("JOBS_KILLS_SEED")
    jobs = []
    for _ in range(ROUNDS):
        video_jobs = [VideoJob(upstream, credits=CREDITS) for _ in range(VIDEOS)]
        for video_job in video_jobs:
            done = job_status(
                "completed", outputData=VIDEO, usage={"credits_used": CREDITS}
            )
            video_job.will(done, seconds=LOOK_SECONDS)
        jobs += [video_job.ordered(customer, live_gateway) for video_job in video_jobs]
        killed_worker(
            tmp_path, video_jobs, chance.randint(1, VIDEOS), chance.uniform(0, 0.4)
        )
    for job in jobs:
        job.refresh_from_db()
        if not job.is_over:
            worker_looks(job)  # the next worker's, once the dead one's claim is over

    assert {job.state for job in jobs} == {"completed"}
    assert customer.charged_credits() == upstream.total_credits()
    assert upstream.total_credits() == CREDITS * VIDEOS * ROUNDS
