"""Downloads are free; one organization's never take the places of another's."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from proxy.http.shares import DOWNLOADS_MAX
from tests.proxy.conftest import Customers
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.gateway.video_jobs import VideoJob
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, file_reply, job_status
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("clean_ledger")]

DOWNLOADS = 600
FILM = b"\0\0\0\x18ftypisom" + b"film" * 20_000


def test_six_hundred_of_one_organization_leave_room_for_another(
    gateway: GatewayFactory, upstream: Upstream, customers: Customers
) -> None:
    served, greedy, other = gateway(), customers(), customers()
    gate = Gate()
    film = file_reply(FILM, "video/mp4").split(1000).after_events(1, gate)
    upstream.on(path="/files/film.mp4", reply=film)
    path = film_of(greedy, served, upstream)
    others = film_of(other, served, upstream)
    with ExitStack() as stack:
        running = [
            stack.enter_context(greedy.http(served).stream("GET", path))
            for _ in range(DOWNLOADS_MAX // 2)
        ]
        assert [each.status_code for each in running] == [200] * len(running)
        for _ in range(DOWNLOADS - len(running)):
            refused = greedy.http(served).get(path)
            assert_refusal(refused, 429, "too_many_downloads")
        assert refused.headers["retry-after"] == "1"
        there = stack.enter_context(other.http(served).stream("GET", others))
        assert there.status_code == 200
        gate.set()
        for each in (*running, there):
            assert each.read() == FILM
    # Their places are free again.
    wait_for(lambda: greedy.http(served).get(path).status_code == 200)


def film_of(customer: Customer, served: Gateway, upstream: Upstream) -> str:
    """The path of the content of a finished video."""
    video_job = VideoJob(upstream)
    job = video_job.ordered(customer, served)
    url = upstream.url.replace("/api/v1", "/files/film.mp4")
    film = {"data": {"url": url}}
    video_job.will(job_status(outputData=film, usage={"credits_used": 5}))
    path = f"/videos/video_{job.id.hex}"
    http = customer.http(served)
    wait_for(lambda: http.get(path).json()["status"] == "completed")
    return f"{path}/content"
