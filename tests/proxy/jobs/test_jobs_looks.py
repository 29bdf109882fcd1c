"""Whatever the upstream says of a job: the first word on its end decides, once."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from billing import holds
from billing.values import clock
from billing.values.orders import CREDIT
from proxy.jobs import reconciliation
from proxy.jobs.looks import Look
from proxy.jobs.rendering import REPLY_BYTES_MAX
from proxy.models import Job
from tests.support.gateway.customers import Customer
from tests.support.gateway.video_jobs import (
    BOUND_CREDITS,
    VIDEO,
    VideoJob,
    make_due,
    worker_looks,
)
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    Raw,
    Upstream,
    error_json,
    html,
    job_status,
    json_reply,
)

pytestmark = pytest.mark.usefixtures("clean_ledger", "worker_upstream")

# Of the row's columns, with what no test of a faulty upstream should change.
STILL_HELD = {"open": BOUND_CREDITS}


def held(customer: Customer) -> dict[str, int]:
    """The customer's only hold: its state, and the credits it keeps from use."""
    [hold] = customer.holds()
    return {hold.state: customer.held_credits()}


@pytest.mark.parametrize(
    ("accepted", "usage", "charged", "remark"),
    [
        ({"estimated_credits": 60}, None, 60, "usage_missing"),
        ({"estimated_credits": 60}, {}, 60, "usage_missing"),
        ({"estimated_credits": 60}, {"credits_used": "7"}, 60, "usage_invalid"),
        ({}, None, BOUND_CREDITS, "usage_missing"),
        ({}, {"credits_used": 10**9}, BOUND_CREDITS, "usage_invalid"),
    ],
)
def test_a_video_without_a_price_costs_its_estimate(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    accepted: dict[str, Any],
    usage: Any,
    charged: int,
    remark: str,
) -> None:
    video_job = VideoJob(upstream, **accepted)
    job = video_job.ordered(customer, live_gateway)
    video_job.will(job_status("completed", outputData=VIDEO, usage=usage))
    worker_looks(job)

    [record] = customer.records()
    assert (job.state, job.remark) == ("completed", remark)
    assert (record.basis, record.flags) == ("estimated", remark)
    assert customer.charged_credits() == charged


def test_a_price_of_zero_is_a_price(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream, estimated_credits=60)
    job = video_job.ordered(customer, live_gateway)
    video_job.will_be_done(0)
    worker_looks(job)

    [record] = customer.records()
    assert (record.basis, record.charged_micros, job.remark) == ("upstream", 0, "")


def test_a_failure_costs_nothing_and_says_why(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream)
    job = video_job.ordered(customer, live_gateway)
    # However it is written: as bytes, the escaped one is no key.
    escaped = Raw(b'"No: upstream-secret-key, upstream-secret\\u002dkey\\u0000!"')
    video_job.will(job_status("failed", errorMessage=escaped))
    worker_looks(job)
    reply = customer.http(live_gateway).get(f"/jobs/{job.public_id}")

    assert (job.state, held(customer)) == ("failed", {"released": 0})
    assert customer.records() == []
    document = reply.json()
    assert (document["status"], document["usage"]) == ("failed", {"credits_used": 0})
    assert document["errorMessage"] == "No: [redacted], [redacted]!"
    assert "upstream-secret-key" not in reply.text


def test_a_failure_that_the_upstream_charges_for_is_charged(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream, credits=5)
    job = video_job.ordered(customer, live_gateway)
    video_job.will(job_status("failed", usage={"credits_used": 5}))
    worker_looks(job)

    assert (job.state, job.charged_micros) == ("failed", 5 * CREDIT)
    assert customer.charged_credits() == 5 == upstream.total_credits()


def test_a_failure_with_a_nonsense_price_is_free_and_listed(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream)
    job = video_job.ordered(customer, live_gateway)
    video_job.will(job_status("failed", usage={"credits_used": -3}))
    worker_looks(job)

    [record] = customer.records()
    assert (record.basis, record.charged_micros) == ("in_doubt", 0)
    assert (job.state, job.remark) == ("failed", "usage_invalid")


@pytest.mark.parametrize(
    ("reply", "remark", "misses"),
    [
        (job_status("halted"), "status_unknown", 0),
        (json_reply({"status": 7}), "status_unknown", 0),
        (error_json(500), "", 0),
        (error_json(429), "", 0),
        (error_json(401), "", 0),
        (html(200), "", 0),
        (json_reply([1]), "", 0),
        (job_status().dropped(), "", 0),
        (job_status().cut_after_bytes(20), "", 0),
        (error_json(404), "", 1),
    ],
)
def test_no_usable_word_changes_nothing_and_is_asked_again(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    reply: Any,
    remark: str,
    misses: int,
) -> None:
    video_job = VideoJob(upstream, credits=4)
    job = video_job.ordered(customer, live_gateway)
    video_job.will(reply)
    worker_looks(job)
    assert (job.state, job.remark, job.misses) == ("pending", remark, misses)
    assert job.next_poll_at is not None
    assert job.next_poll_at > clock.now()
    assert held(customer) == STILL_HELD

    video_job.will_be_done(4)
    assert worker_looks(job).state == "completed"
    assert customer.charged_credits() == 4


def test_a_job_that_stays_unknown_is_lost_and_its_credits_in_doubt(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream)
    job = video_job.ordered(customer, live_gateway)
    video_job.will(error_json(404))
    for _ in range(6):
        worker_looks(job)
    assert (job.state, job.misses) == ("pending", 6)  # so often, but not so long
    make_due(job, missed_since=clock.now() - timedelta(minutes=11))
    worker_looks(job)

    assert (job.state, job.remark) == ("lost", "not_found")
    assert held(customer) == {"in_doubt": BOUND_CREDITS}
    assert customer.holds()[0].reason == "job_lost"
    holds.sweep(in_doubt_after=timedelta(0))
    [record] = customer.records()
    assert (record.basis, record.charged_micros) == ("in_doubt", 0)
    shown = customer.http(live_gateway).get(f"/jobs/{job.public_id}").json()
    assert shown["status"] == "failed"


@pytest.mark.once
def test_a_job_that_never_ends_is_lost_after_a_day(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream)
    job = video_job.ordered(customer, live_gateway)
    make_due(job, created_at=clock.now() - timedelta(hours=25))
    worker_looks(job)

    assert (job.state, job.remark) == ("lost", "too_old")
    assert held(customer) == {"in_doubt": BOUND_CREDITS}


def test_a_result_that_changes_later_is_remarked_and_not_charged(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream)
    job = video_job.ordered(customer, live_gateway)
    before = Job.objects.get(id=job.id)
    video_job.will_be_done(6)
    worker_looks(job)
    # Somebody whose claim ran out while the upstream thought comes late.
    for status, credits in (("completed", 6), ("completed", 90), ("failed", 0)):
        said = {**job_said(job), "status": status, "usage": {"credits_used": credits}}
        asyncio.run(reconciliation.apply(before, Look(status, said)))
        job.refresh_from_db()
        is_same = credits == 6
        assert job.remark == ("" if is_same else "job_changed")

    assert (job.state, job_said(job)["usage"]) == ("completed", {"credits_used": 6})
    assert customer.charged_credits() == 6


def job_said(job: Job) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(job.reply)
    return said


@pytest.mark.once
def test_a_result_too_large_to_keep_is_charged_all_the_same(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream)
    job = video_job.ordered(customer, live_gateway)
    video_job.will_be_done(3, blob="x" * REPLY_BYTES_MAX)
    worker_looks(job)

    assert (job.state, job.remark) == ("completed", "reply_too_large")
    assert len(job.reply) < 1_000
    assert customer.charged_credits() == 3
