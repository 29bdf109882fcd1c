"""Eight workers and twenty clients after one job: one look at a time, one charge."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.db import connections

from proxy import tasks
from proxy.models import Job
from tests.support.gateway.customers import Customer
from tests.support.gateway.raw import RawCall
from tests.support.gateway.video_jobs import VIDEO, VideoJob, make_due
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, job_status
from tests.support.waiting import PATIENCE_SECONDS, wait_for

pytestmark = pytest.mark.usefixtures("clean_ledger", "worker_upstream")

WORKERS, CLIENTS = 8, 20


@pytest.fixture
def workers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(WORKERS) as pool:
        yield pool


class AsWorkers:
    """Workers whose beat is very quick, in threads of the test's one process.

    A worker of its own has a pool of connections of its own. These share one, which
    the readers and the writer of the task itself need: so what a thread asks besides
    is asked one at a time, and none keeps its connection while it looks.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.all_began = Gate()
        self._began = 0
        self.deadline = time.monotonic() + PATIENCE_SECONDS
        self._one_at_a_time = threading.Lock()

    def __call__(self) -> int:
        """Work until the job is over; how often this one ran."""
        rounds = 0
        while self._is_due_again():
            if rounds == 0:
                self._begin()
            tasks.poll_jobs()
            rounds += 1
        return rounds

    def _begin(self) -> None:
        with self._one_at_a_time:
            self._began += 1
            if self._began == WORKERS:
                self.all_began.set()

    def _is_due_again(self) -> bool:
        # Always due: only the claim keeps eight from asking at once.
        with self._one_at_a_time:
            try:
                open_jobs = Job.objects.filter(id=self.job.id, finished_at=None)
                is_open = open_jobs.update(next_poll_at=self.job.created_at) > 0
            finally:
                connections.close_all()
        assert not is_open or time.monotonic() < self.deadline, "it is never over"
        return is_open


def test_one_look_at_a_time_and_one_charge(
    live_gateway: Gateway,
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
    workers: ThreadPoolExecutor,
) -> None:
    other = gateway()
    video_job = VideoJob(upstream, credits=23)
    job = video_job.ordered(customer, live_gateway)
    done = job_status("completed", outputData=VIDEO, usage={"credits_used": 23})
    as_workers = AsWorkers(job)
    # The end is not told before each worker has begun, however slow they are.
    last = done.held(as_workers.all_began)
    video_job.will(*[job_status("processing")] * 6, last, seconds=0.1)
    answers: list[httpx.Response] = []

    def wait(number: int) -> None:
        at = (live_gateway, other)[number % 2]
        reply = httpx.get(
            f"{at.base_url}/jobs/{job.public_id}",
            params={"poll": "true"} if number % 4 else {},
            headers={"authorization": f"Bearer {customer.secret}"},
            timeout=PATIENCE_SECONDS,
        )
        answers.append(reply)

    clients = [threading.Thread(target=wait, args=[n]) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    rounds = [workers.submit(as_workers) for _ in range(WORKERS)]
    for client in clients:
        client.join()

    assert sum(future.result() for future in rounds) >= WORKERS
    assert video_job.most_at_once == 1
    assert video_job.looks() == 7
    assert [answer.status_code for answer in answers] == [200] * CLIENTS
    assert {a.json()["usage"]["credits_used"] for a in answers if "usage" in a.json()}
    [record] = customer.records()
    assert customer.charged_credits() == 23 == upstream.total_credits()
    assert record.upstream_id == video_job.upstream_id


def test_one_bad_job_does_not_keep_the_others(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    video_jobs = [VideoJob(upstream, credits=n) for n in (1, 2, 3)]
    jobs = [video_job.ordered(customer, live_gateway) for video_job in video_jobs]
    for video_job, credits in zip(video_jobs, (1, 2, 3), strict=True):
        video_job.will_be_done(credits)
    # Its terms cannot be read: a fault of ours that every look runs into.
    make_due(jobs[0], terms={})
    for job in jobs[1:]:
        make_due(job)
    tasks.poll_jobs()

    for job in jobs:
        job.refresh_from_db()
    assert [job.state for job in jobs] == ["pending", "completed", "completed"]
    assert "could not be looked at" in caplog.text
    assert customer.charged_credits() == 5


@pytest.mark.once
def test_a_waiting_client_keeps_no_other_waiting(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream)
    job = video_job.ordered(customer, live_gateway)
    video_job.will(job_status("processing"), seconds=0.3)
    path = f"/v1/jobs/{job.public_id}?poll=true"
    calls = [RawCall(live_gateway, customer.secret, path) for _ in range(40)]
    for call in calls:
        call.connection.request("GET", path, headers=call.headers)
    wait_for(video_job.looks)
    assert customer.chat(live_gateway).status_code == 200
    answered, _, _ = select.select([call.connection.sock for call in calls], [], [], 0)
    assert answered == []  # all of them waited on meanwhile
    for call in calls:
        call.leave()
    assert video_job.most_at_once == 1

    def nobody_looks() -> bool:
        """For longer than a client that waits leaves between two looks."""
        looks = video_job.looks()
        time.sleep(1.3)
        return video_job.looks() == looks

    # Nobody waits any more: after what was under way, nobody looks.
    wait_for(nobody_looks)
