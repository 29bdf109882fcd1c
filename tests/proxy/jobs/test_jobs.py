"""A video from its order to its charge: by the worker, and by the client's looks."""

from __future__ import annotations

from typing import Any

import pytest

from billing.models import Hold
from billing.values.orders import CREDIT
from tests.proxy.conftest import Customers
from tests.support.gateway.customers import Customer
from tests.support.gateway.video_jobs import (
    BOUND_CREDITS,
    VIDEO,
    VideoJob,
    row,
    worker_looks,
)
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, job_status

pytestmark = pytest.mark.usefixtures("clean_ledger")


@pytest.fixture(autouse=True)
def _upstream_here(worker_upstream: None) -> None:
    """The worker's task runs in this process and asks the test's upstream."""


def test_an_order_is_answered_with_our_id_and_nothing_is_charged_yet(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream, estimated_credits=60, extra="kept")
    reply = video_job.order(customer, live_gateway)

    document, [hold] = reply.json(), customer.holds()
    assert document["id"] == f"job_{hold.id.hex}" == reply.headers["x-job-id"]
    assert reply.headers["x-request-id"] == f"req_{hold.id.hex}"
    assert (document["status"], document["estimated_credits"]) == ("pending", 60)
    assert document["extra"] == "kept"
    assert video_job.upstream_id not in reply.text
    assert reply.headers["x-credits-held"] == str(BOUND_CREDITS)
    assert "x-credits-charged" not in reply.headers
    assert (hold.state, hold.lease_id) == ("open", None)
    assert row(document["id"]).upstream_id == video_job.upstream_id
    assert upstream.journal.last.query == {"async": ["true"]}


def test_the_worker_alone_settles_a_job(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream, credits=37)
    job = video_job.ordered(customer, live_gateway)
    assert worker_looks(job).state == "processing"
    assert (job.progress, job.polls, customer.held_credits()) == (40, 1, BOUND_CREDITS)
    video_job.will_be_done(37)
    assert worker_looks(job).state == "completed"

    [record], [hold] = customer.records(), customer.holds()
    assert customer.charged_credits() == 37 == upstream.total_credits()
    assert (record.basis, record.upstream_id) == ("upstream", video_job.upstream_id)
    assert (hold.state, customer.held_credits()) == ("settled", 0)
    assert (job.charged_micros, job.remark) == (37 * CREDIT, "")


def test_a_clients_look_settles_a_job_and_shows_all_that_the_upstream_said(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream, credits=12)
    job = video_job.ordered(customer, live_gateway)
    video_job.will_be_done(12, seed=7)
    reply = customer.http(live_gateway).get(f"/jobs/{job.public_id}")

    document = reply.json()
    assert document == {
        "id": job.public_id,
        "status": "completed",
        "progress": 100,
        "created": 1_767_225_600,
        "completed": 1_767_225_660,
        "model": "test-video",
        "outputData": VIDEO,
        "errorMessage": None,
        "usage": {"credits_used": 12},
        "seed": 7,
    }
    assert customer.charged_credits() == 12
    assert reply.headers["x-credits-charged"] == "12"
    again = customer.http(live_gateway).get(f"/jobs/{job.public_id}")
    assert (again.json(), video_job.looks()) == (document, 1)


def test_a_long_poll_waits_for_the_end(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream, credits=9)
    job = video_job.ordered(customer, live_gateway)
    done = job_status("completed", outputData=VIDEO, usage={"credits_used": 9})
    video_job.will(job_status("processing"), done)
    url = f"/jobs/{job.public_id}"
    document = customer.http(live_gateway).get(url, params={"poll": "true"}).json()

    assert (document["status"], document["usage"]) == ("completed", {"credits_used": 9})
    assert video_job.looks() == 2
    assert customer.charged_credits() == 9


def test_the_hold_is_raised_to_the_estimate(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream, estimated_credits=BOUND_CREDITS + 50)
    reply = video_job.order(customer, live_gateway)

    assert customer.held_credits() == BOUND_CREDITS + 50
    assert reply.headers["x-credits-held"] == str(BOUND_CREDITS + 50)


def test_a_hold_that_cannot_be_raised_stays_and_the_overrun_is_borne(
    live_gateway: Gateway, upstream: Upstream, customers: Customers
) -> None:
    poor = customers(credits=BOUND_CREDITS + 10)
    video_job = VideoJob(upstream, estimated_credits=500, credits=500)
    job = video_job.ordered(poor, live_gateway)
    assert poor.held_credits() == BOUND_CREDITS
    video_job.will_be_done(500)
    worker_looks(job)

    [record] = poor.records()
    assert record.charged_micros == (BOUND_CREDITS + 10) * CREDIT
    assert record.absorbed_micros == (500 - BOUND_CREDITS - 10) * CREDIT
    assert "hold_overrun" in record.flags
    assert poor.available_micros() == 0


@pytest.mark.once
@pytest.mark.parametrize("estimate", [-1, "60", 10**9, True, 1.5])
def test_a_nonsense_estimate_is_not_believed(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, estimate: Any
) -> None:
    reply = VideoJob(upstream, estimated_credits=estimate).order(customer, live_gateway)

    assert "estimated_credits" not in reply.json()
    assert customer.held_credits() == BOUND_CREDITS
    assert row(reply.json()["id"]).remark == "estimate_invalid"


def test_a_customer_sees_prices_of_his_own(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    customer.set_price_factor(1_500_000)
    video_job = VideoJob(upstream, estimated_credits=60)
    receipt = video_job.order(customer, live_gateway).json()
    usage = {"credits_used": 40, "credits_breakdown": {"base": 30, "fps": 10}}
    video_job.will(job_status("completed", outputData=VIDEO, usage=usage))
    shown = customer.http(live_gateway).get(f"/jobs/{receipt['id']}").json()

    assert receipt["estimated_credits"] == 90
    assert shown["usage"] == {
        "credits_used": 60,
        "credits_breakdown": {"base": 45, "fps": 15},
    }
    assert customer.charged_credits() == 60


def test_a_finished_video_instead_of_a_job_is_settled_at_once(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    done = {"data": {"url": VIDEO["url"]}, "usage": {"credits_used": 8}}
    video_job = VideoJob(upstream, credits=8, **done)
    reply = video_job.order(customer, live_gateway)

    [hold] = customer.holds()
    assert reply.json()["data"] == {"url": VIDEO["url"]}
    assert reply.headers["x-credits-charged"] == "8"
    assert customer.charged_credits() == 8
    assert row(f"job_{hold.id.hex}").state == "completed"
    assert Hold.objects.get(id=hold.id).state == "settled"
