"""Eight workers and twenty clients after one job: one look at a time, one charge."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.db import connections

from proxy import tasks
from proxy.models import Job
from tests.proxy.customers import Customer
from tests.proxy.jobs.films import FILM, Film, make_due
from tests.services.fixtures import GatewayFactory
from tests.services.gateway import Gateway
from tests.upstream import Upstream, job_status

pytestmark = pytest.mark.usefixtures("clean_books", "worker_upstream")

WORKERS, CLIENTS = 8, 20


@pytest.fixture
def workers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(WORKERS) as pool:
        yield pool


def work_until_over(job: Job) -> int:
    """As a worker whose beat is very quick; how often it ran."""
    rounds = 0
    try:
        while Job.objects.filter(id=job.id, finished_at=None).exists():
            # Always due: only the claim keeps eight from asking at once.
            Job.objects.filter(id=job.id).update(next_poll_at=job.created_at)
            tasks.poll_jobs()
            rounds += 1
    finally:
        connections.close_all()
    return rounds


def test_one_look_at_a_time_and_one_charge(
    live_gateway: Gateway,
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
    workers: ThreadPoolExecutor,
) -> None:
    other = gateway()
    film = Film(upstream, credits=23)
    job = film.ordered(customer, live_gateway)
    done = job_status("completed", outputData=FILM, usage={"credits_used": 23})
    film.will(*[job_status("processing")] * 6, done, seconds=0.1)
    answers: list[httpx.Response] = []

    def wait(number: int) -> None:
        at = (live_gateway, other)[number % 2]
        reply = httpx.get(
            f"{at.base_url}/jobs/{job.public_id}",
            params={"poll": "true"} if number % 4 else {},
            headers={"authorization": f"Bearer {customer.secret}"},
            timeout=20,
        )
        answers.append(reply)

    clients = [threading.Thread(target=wait, args=[n]) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    rounds = [workers.submit(work_until_over, job) for _ in range(WORKERS)]
    for client in clients:
        client.join()

    assert sum(future.result() for future in rounds) >= WORKERS
    assert film.most_at_once == 1
    assert film.looks() == 7
    assert [answer.status_code for answer in answers] == [200] * CLIENTS
    assert {a.json()["usage"]["credits_used"] for a in answers if "usage" in a.json()}
    [record] = customer.records()
    assert customer.charged_credits() == 23 == upstream.total_credits()
    assert record.upstream_id == film.upstream_id


def test_one_bad_job_does_not_keep_the_others(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    films = [Film(upstream, credits=n) for n in (1, 2, 3)]
    jobs = [film.ordered(customer, live_gateway) for film in films]
    for film, credits in zip(films, (1, 2, 3), strict=True):
        film.will_be_done(credits)
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
    film = Film(upstream)
    job = film.ordered(customer, live_gateway)
    film.will(job_status("processing"), seconds=0.3)
    url = f"{live_gateway.base_url}/jobs/{job.public_id}?poll=true"
    headers = {"authorization": f"Bearer {customer.secret}"}

    def give_up() -> None:
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(url, headers=headers, timeout=0.5)

    clients = [threading.Thread(target=give_up) for _ in range(40)]
    for client in clients:
        client.start()
    started = time.monotonic()
    assert customer.chat(live_gateway).status_code == 200
    assert time.monotonic() - started < 1
    for client in clients:
        client.join()
    assert film.most_at_once == 1
    # Nobody waits any more: after what was under way, nobody looks.
    time.sleep(0.5)
    looks = film.looks()
    time.sleep(1.3)
    assert film.looks() == looks
