"""The gateway is killed between a call and its job: nothing leaks, none is lost."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from billing import holds
from billing.values import clock
from proxy import tasks
from proxy.models import Job
from tests.support.gateway.customers import Customer
from tests.support.gateway.video_jobs import VideoJob, make_due, only_job, worker_looks
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream

pytestmark = pytest.mark.usefixtures("clean_ledger", "worker_upstream")

LONG = timedelta(days=1)


def die(video_job: VideoJob, customer: Customer, gateway: Gateway) -> Job:
    """Order a video from a gateway that does not survive it; our row."""
    with pytest.raises(httpx.TransportError):
        video_job.order(customer, gateway)
    gateway.kill()
    return only_job(customer)


def test_killed_after_the_answer_the_worker_settles(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    started = gateway()
    video_job = VideoJob(upstream, credits=31)
    job = video_job.ordered(customer, started)
    started.kill()
    customer.end_leases()
    holds.sweep(in_doubt_after=LONG)
    assert [hold.state for hold in customer.holds()] == ["open"]  # it is no doubt
    video_job.will_be_done(31)

    assert worker_looks(job).state == "completed"
    assert customer.charged_credits() == 31 == upstream.total_credits()


@pytest.mark.parametrize("place", ["job.kept", "job.entrusted"])
def test_killed_once_the_id_is_kept_the_worker_settles(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer, place: str
) -> None:
    started = gateway(CRASHPOINT=place)
    video_job = VideoJob(upstream, credits=31)
    job = die(video_job, customer, started)
    worker_looks(job)
    customer.end_leases()
    holds.sweep(in_doubt_after=LONG)
    assert [hold.state for hold in customer.holds()] == ["open"]
    video_job.will_be_done(31)

    assert worker_looks(job).state == "completed"
    assert customer.charged_credits() == 31 == upstream.total_credits()


def test_a_doubt_is_still_settled_exactly_by_a_worker_that_comes_late(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    started = gateway(CRASHPOINT="job.kept")
    video_job = VideoJob(upstream, credits=31)
    job = die(video_job, customer, started)
    customer.end_leases()
    holds.sweep(in_doubt_after=LONG)
    assert [hold.state for hold in customer.holds()] == ["in_doubt"]
    video_job.will_be_done(31)

    assert worker_looks(job).state == "completed"
    assert customer.charged_credits() == 31


def test_a_worker_that_comes_too_late_says_so(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    started = gateway(CRASHPOINT="job.kept")
    video_job = VideoJob(upstream, credits=31)
    job = die(video_job, customer, started)
    customer.end_leases()
    holds.sweep(in_doubt_after=timedelta(0))
    holds.sweep(in_doubt_after=timedelta(0))
    video_job.will_be_done(31)
    worker_looks(job)

    [record] = customer.records()
    assert (job.state, job.remark) == ("completed", "resolved_before")
    assert (record.basis, record.charged_micros, job.charged_micros) == (
        "in_doubt",
        0,
        0,
    )


def test_killed_before_the_id_is_kept_it_is_a_listed_doubt(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    started = gateway(CRASHPOINT="job.accepted")
    video_job = VideoJob(upstream, credits=31)
    job = die(video_job, customer, started)
    tasks.poll_jobs()
    job.refresh_from_db()
    assert (job.state, job.upstream_id) == ("submitting", "")
    customer.end_leases()
    holds.sweep(in_doubt_after=LONG)
    tasks.poll_jobs()

    job.refresh_from_db()
    assert (job.state, job.remark) == ("lost", "never_accepted")
    assert [(h.state, h.reason) for h in customer.holds()] == [
        ("in_doubt", "caller_died")
    ]
    assert video_job.looks() == 0


@pytest.mark.once
def test_an_intent_that_nobody_finished_is_given_up(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    job = VideoJob(upstream).ordered(customer, live_gateway)
    long_ago = clock.now() - timedelta(minutes=12)
    make_due(job, state="submitting", upstream_id="", created_at=long_ago)
    tasks.poll_jobs()

    job.refresh_from_db()
    assert (job.state, job.remark) == ("lost", "never_accepted")
    assert [hold.state for hold in customer.holds()] == ["open"]  # the sweep's to end


def test_killed_between_the_charge_and_the_row_it_is_charged_once(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    started = gateway(CRASHPOINT="job.settled")
    video_job = VideoJob(upstream, credits=31)
    job = video_job.ordered(customer, started)
    video_job.will_be_done(31)
    with pytest.raises(httpx.TransportError):
        customer.http(started).get(f"/jobs/{job.public_id}")
    started.kill()
    job.refresh_from_db()
    assert (job.state, customer.charged_credits()) == ("pending", 31)

    assert worker_looks(job).state == "completed"
    assert (customer.charged_credits(), len(customer.records())) == (31, 1)
    assert (job.charged_micros, job.remark) == (31_000_000, "")
