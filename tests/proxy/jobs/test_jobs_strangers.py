"""A stranger's job, one never made, and what is no id at all: the same 404."""

from __future__ import annotations

import re
from uuid import uuid4

import httpx
import pytest

from tests.proxy.conftest import Customers
from tests.support.gateway import raw
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.gateway.video_jobs import VideoJob
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream

REQUEST_ID = re.compile(rb"x-request-id: req_[0-9a-f]{32}")
DATE = re.compile(rb"date: [^\r]+")


def asked(gateway: Gateway, secret: str, target: str) -> bytes:
    """The whole reply to a request line of the test's own making, but for its id."""
    request = (
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {secret}\r\nConnection: close\r\n\r\n"
    )
    reply = raw.exchange(gateway, request.encode("latin-1"))
    return DATE.sub(b"", REQUEST_ID.sub(b"", reply.lower()))


@pytest.mark.once
def test_strangers_learn_nothing(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, customers: Customers
) -> None:
    job = VideoJob(upstream).ordered(customer, live_gateway)
    stranger = customers()
    known = asked(live_gateway, customer.secret, f"/v1/jobs/{job.public_id}")
    assert b" 200 ok" in known
    upstream.reset()

    foreign = asked(live_gateway, stranger.secret, f"/v1/jobs/{job.public_id}")
    unknown = asked(live_gateway, stranger.secret, f"/v1/jobs/job_{uuid4().hex}")
    assert foreign == unknown
    assert b" 404 not found" in foreign
    assert job.public_id.encode() not in foreign
    waited = asked(live_gateway, stranger.secret, f"/v1/jobs/{job.public_id}?poll=true")
    assert waited == unknown
    assert len(upstream.journal) == 0


@pytest.mark.once
def test_another_key_of_the_same_account_may_look(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    job = VideoJob(upstream).ordered(customer, live_gateway)
    _, secret = customer.new_key(name="colleague")

    assert b" 200 ok" in asked(live_gateway, secret, f"/v1/jobs/{job.public_id}")


@pytest.mark.once
def test_what_is_no_id_is_a_job_that_does_not_exist(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream)
    job = video_job.ordered(customer, live_gateway)
    upstream.reset()
    tricks = [
        "",
        "job_",
        video_job.upstream_id,
        job.public_id.upper(),
        f"{job.public_id}/",
        f"{job.public_id}%00",
        f"{job.public_id}%0a",
        f"{job.public_id}%3fpoll=true",
        f"%20{job.public_id}",
        f"x/{job.public_id}",
        f"..%2fjobs%2f{job.public_id}",
        "..%2fmodels",
        "%2e%2e/models",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        job.id.hex,
        str(job.id),
        f"job_{job.id}",
        "job_" + "0" * 33,
        "job_" + "x" * 32,
        "job_" + "0" * 5000,
        "%f0%9f%8e%ac",
        "job_%ff",
    ]
    unknown = asked(live_gateway, customer.secret, f"/v1/jobs/job_{uuid4().hex}")
    for trick in tricks:
        assert asked(live_gateway, customer.secret, f"/v1/jobs/{trick}") == unknown
    assert len(upstream.journal) == 0


@pytest.mark.once
def test_without_a_good_key_there_is_no_answer(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    job = VideoJob(upstream).ordered(customer, live_gateway)
    url = f"{live_gateway.base_url}/jobs/{job.public_id}"

    assert_refusal(httpx.get(url), 401, "missing_api_key")
    assert_refusal(
        customer.http(live_gateway).post(f"/jobs/{job.public_id}"),
        405,
        "method_not_allowed",
    )
