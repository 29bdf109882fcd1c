"""A settlement that the database misses waits on disk, and is booked exactly once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from billing.models.hold import HoldState
from billing.values.amounts import credits_text
from tests.support.gateway.customers import Customer
from tests.support.gateway.outage import Outage
from tests.support.gateway.refused import assert_refusal
from tests.support.services.fixtures import GatewayFactory
from tests.support.upstream import DONE, Gate, Upstream, chat_json, chat_stream
from tests.support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("clean_ledger")


@pytest.mark.parametrize("killed", [False, True])
def test_a_call_is_answered_without_the_database_and_booked_when_it_is_back(
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
    outage: Outage,
    killed: bool,
) -> None:
    started = gateway(DATABASE_URL=outage.url, LEASE_SECONDS=6)
    gate = Gate()
    upstream.on(model="plain", reply=chat_json(credits=5).held(gate))
    upstream.on(model="stream", reply=chat_stream(credits=8).held(gate))
    customer.http(started)
    with ThreadPoolExecutor() as pool:
        plain = pool.submit(customer.chat, started, "plain")
        streamed = pool.submit(customer.chat, started, "stream", stream=True)
        upstream.journal.wait_arrived(2)
        outage.begin()
        gate.set()
        answer, events = plain.result(), streamed.result().content

    assert answer.status_code == 200
    assert answer.headers["x-credits-charged"] == "5"
    assert events.endswith(DONE)
    assert b"x-credits-charged=8" in events
    assert started.log_text().count("waits in the spool") == 2
    if killed:
        started.kill()
    outage.end()
    if killed:  # who lives may book them at once
        assert {hold.state for hold in customer.holds()} == {HoldState.OPEN}
        started.start()
    wait_for(
        lambda: {hold.state for hold in customer.holds()} == {HoldState.SETTLED},
        explain=started.log_text,
    )
    assert customer.charged_credits() == upstream.total_credits() == 13


def test_a_spooled_doubt_keeps_its_hold_and_says_so(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer, outage: Outage
) -> None:
    started = gateway(DATABASE_URL=outage.url, LEASE_SECONDS=6)
    gate = Gate()
    upstream.on(model="m", reply=chat_json(credits=5).held(gate).dropped())
    customer.http(started)
    with ThreadPoolExecutor() as pool:
        call = pool.submit(customer.chat, started, "m")
        upstream.journal.wait_arrived()
        outage.begin()
        gate.set()
        reply = call.result()

    assert_refusal(reply, 502, "upstream_ambiguous")
    assert "waits in the spool" in started.log_text()
    available = customer.available_micros()
    assert available < customer.account().balance_micros  # the hold is not given back
    assert reply.headers["x-credits-remaining"] == credits_text(available)
    assert reply.headers["x-credits-charged"] == "0"
    assert reply.headers["x-price-basis"] == "in_doubt"
    outage.end()
    [hold] = customer.wait_over()
    assert (hold.state, hold.reason) == (HoldState.IN_DOUBT, "upstream_cut")
    assert customer.available_micros() == available
