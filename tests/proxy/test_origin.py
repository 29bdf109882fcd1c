"""Every call keeps who made it, by which program and in which run."""

from __future__ import annotations

import httpx
import openai
import pytest

from billing.models import UsageRecord, UsageRollup
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.video_jobs import VideoJob
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream


def caller_of(record: UsageRecord) -> tuple[str, ...]:
    return (
        *(record.spender_label, record.project_label, record.holder_label),
        *(record.client, record.client_version, record.session),
    )


def test_an_sdks_call_keeps_its_program_and_session(
    live_gateway: Gateway, customer: Customer
) -> None:
    sdk = customer.openai(live_gateway).with_options(
        default_headers={"x-session-id": "run 7"}
    )
    raw = sdk.chat.completions.with_raw_response.create(model="m", messages=SAY_HI)

    assert "x-ignored-parameters" not in raw.headers
    expected = (
        *("laptop", "Default", customer.owner.email),
        *("openai-python", openai.__version__, "run 7"),
    )
    [record] = customer.records()
    assert caller_of(record) == expected
    row = UsageRollup.objects.get(account_id=customer.account_id)
    assert (row.client, row.requests) == ("openai-python", 1)
    assert (row.project_id, row.holder_id) == (record.project_id, record.holder_id)
    shown = customer.http(live_gateway).get(f"/requests/{raw.headers['x-request-id']}")
    assert {
        name: shown.json()[name]
        for name in ("key", "project", "holder", "client", "session")
    } == {
        "key": "laptop",
        "project": "Default",
        "holder": customer.owner.email,
        "client": f"openai-python {openai.__version__}",
        "session": "run 7",
    }


@pytest.mark.once
def test_a_label_that_is_none_fails_no_call_and_is_said(
    live_gateway: Gateway, customer: Customer
) -> None:
    sdk = customer.openai(live_gateway).with_options(
        default_headers={"x-session-id": "x" * 65}
    )
    raw = sdk.chat.completions.with_raw_response.create(model="m", messages=SAY_HI)
    assert raw.headers["x-ignored-parameters"] == "x-session-id"
    # Beside what the body had.
    image = sdk.images.with_raw_response.generate(
        model="i", prompt="a fox", quality="high"
    )
    assert image.headers["x-ignored-parameters"] == "quality, x-session-id"
    assert {record.session for record in customer.records()} == {""}


@pytest.mark.once
def test_neither_header_reaches_the_upstream(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    sdk = customer.openai(live_gateway)
    sdk.chat.completions.create(
        model="m", messages=SAY_HI, extra_headers={"x-session-id": "run 7"}
    )
    [entry] = upstream.journal
    assert "x-session-id" not in entry.headers
    assert entry.headers["user-agent"] == "tollgate"


def test_a_job_keeps_what_it_was_ordered_with(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    """Whoever settles it, and whatever asks for it."""
    customer.http(live_gateway).headers["x-session-id"] = "film 3"
    job = VideoJob(upstream)
    row = job.ordered(customer, live_gateway)
    job.will_be_done(30)
    customer.http(live_gateway).get(f"/jobs/job_{row.id.hex}").raise_for_status()

    [record] = customer.records()
    assert caller_of(record) == (
        *("laptop", "Default", customer.owner.email),
        *("httpx", httpx.__version__, "film 3"),
    )
