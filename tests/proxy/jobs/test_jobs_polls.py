"""Long polls are few for each organization; beyond them nobody waits."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from proxy.models import Job
from tests.proxy.conftest import Customers
from tests.support.gateway.customers import Customer
from tests.support.gateway.raw import RawCall
from tests.support.gateway.video_jobs import VideoJob
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream
from tests.support.waiting import PATIENCE_SECONDS, wait_for

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("clean_ledger")]

# Much shorter than a long poll, much longer than one look.
ONE_LOOK = httpx.Timeout(PATIENCE_SECONDS, read=5)


def polled(customer: Customer, gateway: Gateway, job: Job) -> dict[str, Any] | None:
    """What a long poll answers; None when it waits for the end."""
    http = customer.http(gateway)
    url, query = f"/jobs/{job.public_id}", {"poll": "true"}
    try:
        reply = http.get(url, params=query, timeout=ONE_LOOK)
    except httpx.ReadTimeout:
        return None
    assert reply.status_code == 200
    document: dict[str, Any] = reply.json()
    return document


def test_one_poll_too_many_is_answered_at_once(
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
    customers: Customers,
) -> None:
    own = gateway(JOB_POLLS_MAX=1)
    video_job, other = VideoJob(upstream), VideoJob(upstream)
    job, another = (each.ordered(customer, own) for each in (video_job, other))
    stranger = customers()
    strangers = VideoJob(upstream).ordered(stranger, own)
    path = f"/v1/jobs/{job.public_id}?poll=true"
    with RawCall(own, customer.secret, path) as waits:
        waits.connection.request("GET", path, headers=waits.headers)
        wait_for(video_job.looks)  # nobody else asks about it
        for each in (job, another):
            answer = polled(customer, own, each)
            assert answer is not None
            assert answer["id"] == each.public_id
            assert answer["status"] in ("pending", "processing")
        assert other.looks() == 1
        assert polled(stranger, own, strangers) is None

    wait_for(lambda: polled(customer, own, another) is None)  # the place is free again
