"""Without its ledger the gateway calls nobody; when it is back, calls go on."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from portal.tenants import key_format
from tests.support.gateway.customers import Customer
from tests.support.gateway.outage import CutLine, Outage
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import DONE, Gate, Upstream, chat_json, chat_stream
from tests.support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("clean_ledger")


@pytest.fixture
def started(outage: Outage, gateway: GatewayFactory, customer: Customer) -> Gateway:
    return gateway(DATABASE_URL=outage.url)


def test_without_its_database_the_gateway_calls_nobody(
    started: Gateway, upstream: Upstream, customer: Customer, outage: Outage
) -> None:
    outage.begin()
    with ThreadPoolExecutor() as pool:  # they all wait for the same time
        customer.http(started)
        calls = [pool.submit(customer.chat, started, stream=s) for s in (False, True)]
        for call in calls:
            reply = call.result()
            assert_refusal(reply, 503, "ledger_unavailable")
            assert reply.headers["x-should-retry"] == "true"
            assert reply.headers["retry-after"] == "2"
            assert "x-credits-held" not in reply.headers
    outage.end()
    assert_nothing_happened(customer, upstream)

    wait_for(lambda: customer.chat(started).status_code == 200)
    customer.wait_over(1)
    assert customer.charged_credits() == upstream.total_credits() == 3


@pytest.mark.parametrize("stream", [False, pytest.param(True, marks=pytest.mark.once)])
def test_a_settlement_waits_for_the_database_and_is_exact(
    started: Gateway,
    upstream: Upstream,
    customer: Customer,
    outage: Outage,
    stream: bool,
) -> None:
    gate = Gate()
    reply = chat_stream(credits=8) if stream else chat_json(credits=8)
    upstream.on(model="m", reply=reply.held(gate))
    with ThreadPoolExecutor() as pool:
        call = pool.submit(customer.chat, started, "m", stream=stream)
        upstream.journal.wait_arrived()
        outage.begin()
        gate.set()
        # Longer than one attempt to settle, shorter than all of them.
        threading.Timer(1.5, outage.end).start()
        answer = call.result()

    assert answer.status_code == 200
    assert (DONE in answer.content) == stream
    assert "could not resolve" not in started.log_text()
    # It had to wait: for another answer, or for a connection.
    assert re.search("the ledger did not take|error connecting", started.log_text())
    assert len(upstream.journal) == 1
    [record] = customer.wait_records()
    assert customer.charged_credits() == upstream.total_credits() == 8
    assert (record.basis, record.streamed) == ("upstream", stream)


@pytest.mark.postgres_only
def test_a_malformed_key_is_refused_without_asking_the_database(
    started: Gateway, upstream: Upstream, customer: Customer, outage: Outage
) -> None:
    http, secret = customer.http(started), customer.secret
    outage.begin()
    for malformed in ("sk-1", secret[:-1], secret[:-1] + "_", "tg_live_' OR 1=1"):
        headers = {"authorization": f"Bearer {malformed}"}
        assert_refusal(http.get("/models", headers=headers), 401, "malformed_api_key")
    # A key that could be one is asked about, and that is what fails:
    headers = {"authorization": f"Bearer {key_format.generate()}"}
    assert_refusal(http.get("/models", headers=headers), 503, "ledger_unavailable")
    outage.end()
    assert len(upstream.journal) == 0


def test_the_first_calls_after_a_restart_of_the_database_are_served(
    started: Gateway, upstream: Upstream, customer: Customer, outage: Outage
) -> None:
    http = customer.http(started)
    for _ in range(3):  # both readers and the writer have a connection
        assert http.get("/models").status_code == 200
        assert customer.chat(started).status_code == 200
    outage.begin()
    outage.end()
    assert customer.chat(started).status_code == 200, started.log_text()
    assert [http.get("/models").status_code for _ in range(3)] == [200] * 3
    customer.wait_over(4)
    assert customer.charged_credits() == upstream.total_credits()


@pytest.mark.postgres_only
def test_a_commit_that_nobody_hears_of_is_no_second_hold_and_no_other_charge(
    started: Gateway, upstream: Upstream, customer: Customer, outage: CutLine
) -> None:
    assert customer.chat(started).status_code == 200
    gate = Gate()
    upstream.on(model="m", reply=chat_json(credits=5).held(gate))
    outage.commits_to_lose = 1
    with ThreadPoolExecutor() as pool:
        call = pool.submit(customer.chat, started, "m")
        upstream.journal.wait_arrived(2)
        assert outage.commits_to_lose == 0  # that of the hold
        outage.commits_to_lose = 1
        gate.set()
        answer = call.result()

    assert answer.status_code == 200
    assert outage.commits_to_lose == 0  # that of the charge
    assert answer.headers["x-credits-charged"] == "5"
    assert answer.json()["usage"]["credits_used"] == 5
    assert len(customer.wait_records(2)) == len(customer.holds()) == 2
    assert customer.charged_credits() == upstream.total_credits()
