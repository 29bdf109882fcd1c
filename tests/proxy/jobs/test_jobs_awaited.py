"""`?async=false`: we wait for the job in the client's place, and answer as if sync."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from billing.ledger import dialect
from billing.values.orders import CREDIT
from tests.proxy.conftest import Customers
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.gateway.video_jobs import (
    VIDEO,
    VideoJob,
    only_job,
    wait_over,
    worker_looks,
)
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, error_json, job_status
from tests.support.waiting import IMPATIENT_CLIENT, wait_for

pytestmark = pytest.mark.usefixtures("clean_ledger", "worker_upstream")


def test_the_result_comes_as_if_it_had_been_synchronous(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream, credits=14)
    video_job.will_be_done(14)
    reply = video_job.order(customer, live_gateway, wait=True)

    job = only_job(customer)
    assert reply.status_code == 200, reply.text
    assert reply.json() == {**VIDEO, "usage": {"credits_used": 14}}
    assert upstream.journal[0].query == {"async": ["true"]}
    assert reply.headers["x-job-id"] == job.public_id
    assert reply.headers["x-credits-charged"] == "14"
    assert reply.headers["x-credits-remaining"] == "99986"
    assert reply.headers["x-price-basis"] == "upstream"
    assert (job.state, job.mode) == ("completed", "awaited")
    assert customer.available_micros() == 99_986 * CREDIT


def test_expired_credits_do_not_remain(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    soon = dialect.now() + timedelta(seconds=1)
    customer.grant(50 * CREDIT, source="trial", expires_at=soon)
    wait_for(lambda: dialect.now() > soon)
    video_job = VideoJob(upstream, credits=14)
    video_job.will_be_done(14)
    reply = video_job.order(customer, live_gateway, wait=True)

    assert reply.headers["x-credits-remaining"] == "99986"
    assert customer.available_micros() == 99_986 * CREDIT


def test_a_failed_job_is_an_error_and_free(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream)
    video_job.will(job_status("failed", errorMessage="upstream-secret-key: too dark"))
    reply = video_job.order(customer, live_gateway, wait=True)

    assert_refusal(reply, 502, "upstream_job_failed")
    assert reply.json()["error"]["message"] == "[redacted]: too dark"
    assert reply.headers["x-credits-charged"] == "0"
    assert [hold.state for hold in customer.holds()] == ["released"]


def test_a_job_without_a_result_is_an_error_that_names_the_charge(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream, credits=2)
    video_job.will(job_status("completed", usage={"credits_used": 2}))
    reply = video_job.order(customer, live_gateway, wait=True)

    assert_refusal(reply, 502, "upstream_no_result")
    assert reply.headers["x-credits-charged"] == "2"
    assert customer.charged_credits() == 2


def test_a_job_that_takes_too_long_goes_on_by_itself(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    started = gateway(UPSTREAM_TOTAL_SECONDS=3)
    video_job = VideoJob(upstream, credits=17)
    reply = video_job.order(customer, started, wait=True)

    assert_refusal(reply, 504, "job_still_running")
    job = only_job(customer)
    assert f"GET /v1/jobs/{job.public_id}" in reply.json()["error"]["message"]
    assert reply.json()["error"]["metadata"] == {"job_id": job.public_id}
    assert [hold.state for hold in customer.holds()] == ["open"]
    video_job.will_be_done(17)
    assert worker_looks(job).state == "completed"
    assert customer.charged_credits() == 17


def test_a_client_that_leaves_pays_for_what_it_ordered(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream, credits=17)
    customer.http(live_gateway).timeout = IMPATIENT_CLIENT
    with pytest.raises(httpx.ReadTimeout):
        video_job.order(customer, live_gateway, wait=True)
    wait_for(video_job.looks)
    video_job.will_be_done(17)

    assert wait_over(only_job(customer)).state == "completed"
    assert customer.charged_credits() == 17


@pytest.mark.parametrize(
    ("upstream_id", "is_kept"),
    [
        ("a", True),
        ("A-b_c.d:e" + "0" * 119, True),
        ("", False),
        ("a" * 129, False),
        ("..", False),
        ("../models", False),
        ("a/b", False),
        ("a?b", False),
        ("a%2fb", False),
        ("a\n", False),
        ("ä", False),
        (7, False),
        (None, False),
    ],
)
@pytest.mark.once
def test_an_id_that_could_lead_elsewhere_is_never_asked_for(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    upstream_id: object,
    is_kept: bool,
) -> None:
    reply = VideoJob(upstream, upstream_id=upstream_id).order(customer, live_gateway)

    [hold], job = customer.holds(), only_job(customer)
    if is_kept:
        assert (reply.status_code, job.upstream_id) == (200, upstream_id)
        return
    assert_refusal(reply, 502, "upstream_ambiguous")
    assert (hold.state, hold.reason) == ("in_doubt", "upstream_job_id_invalid")
    assert (job.state, job.upstream_id) == ("lost", "")


def test_a_refused_submission_costs_nothing(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream)
    upstream.on(model=video_job.model, reply=error_json(422, "No cats.", code="cats"))
    reply = video_job.order(customer, live_gateway)

    assert_refusal(reply, 422, "cats")
    job = only_job(customer)
    assert (job.state, job.charged_micros) == ("failed", None)
    assert [hold.state for hold in customer.holds()] == ["released"]


def test_an_unanswered_submission_is_a_doubt_and_never_repeated(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream)
    upstream.on(model=video_job.model, reply=error_json(500, credits=9))
    reply = video_job.order(customer, live_gateway)

    assert_refusal(reply, 502, "upstream_ambiguous")
    assert only_job(customer).state == "lost"
    assert [hold.state for hold in customer.holds()] == ["in_doubt"]
    assert len(upstream.journal) == 1


@pytest.mark.once
def test_who_cannot_pay_starts_no_job(
    live_gateway: Gateway, upstream: Upstream, customers: Customers
) -> None:
    poor = customers(credits=5)
    reply = VideoJob(upstream).order(poor, live_gateway)

    assert_refusal(reply, 402, "insufficient_credits")
    assert len(upstream.journal) == 0
