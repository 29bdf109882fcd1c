"""A client that leaves its stream, at any point, pays what the upstream charges."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate

import pytest

from billing.values.orders import CREDIT
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.raw import RawCall
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    DONE,
    Gate,
    Upstream,
    chat_chunk,
    chat_stream,
    usage_of,
)
from tests.support.upstream.builders import stream_reply
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.usefixtures("clean_ledger"), pytest.mark.once]

PIECES = ("Ahoy", " there,", " Grüße", " all")
REPLY = chat_stream(pieces=PIECES, credits=7, charge="after")
EVENTS = [step for step in REPLY.steps if isinstance(step, bytes)]
ENDS = [0, *accumulate(len(event) for event in EVENTS)]
# Seconds in which a gateway on a busy machine surely sees that its client left.
NOTICED = 1


@dataclass
class Leaver:
    """A client that reads `read` bytes once `sent` events are out, and goes."""

    gateway: Gateway
    upstream: Upstream
    customer: Customer

    def __call__(self, sent: int, read: int) -> None:
        gate, model = Gate(), f"m-{sent}-{read}"
        self.upstream.on(model=model, reply=REPLY.after_events(sent, gate))
        call = RawCall(self.gateway, self.customer.secret)
        call.send(model=model, messages=SAY_HI, stream=True)
        self.upstream.journal.wait_until(
            lambda entries: any(
                entry.model == model and entry.status and entry.pieces_sent == sent
                for entry in entries
            )
        )
        if read:
            call.read(read)
        call.leave(reset=read % 2 == 1)
        time.sleep(NOTICED)
        gate.set()

    def all(self, points: Sequence[tuple[int, int]]) -> None:
        with ThreadPoolExecutor(len(points)) as pool:
            list(pool.map(lambda point: self(*point), points))


@pytest.fixture
def leaver(live_gateway: Gateway, upstream: Upstream, customer: Customer) -> Leaver:
    return Leaver(live_gateway, upstream, customer)


# The last two events, usage and [DONE], are the gateway's to hand on when all is over.
BOUNDARIES = [(count, ENDS[count]) for count in range(len(EVENTS) - 1)]
WITHIN = [
    (count, ENDS[count] - back)
    for count in range(1, len(EVENTS) - 1)
    for back in (1, 2, 77)
]
UNREAD = [(count, 0) for count in range(1, len(EVENTS))]


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(BOUNDARIES, id="after an event"),
        pytest.param(WITHIN, id="within an event"),
        pytest.param(UNREAD, id="before reading anything"),
    ],
)
def test_wherever_a_client_leaves_the_upstreams_price_is_paid(
    leaver: Leaver,
    upstream: Upstream,
    customer: Customer,
    points: list[tuple[int, int]],
) -> None:
    leaver.all(points)
    upstream.journal.wait_finished(len(points))
    records = customer.wait_records(len(points))

    # Read to the end for the last event says what it costs: charged "after" it.
    assert {entry.state for entry in upstream.journal} == {"complete"}
    assert customer.charged_credits() == upstream.total_credits() == 7 * len(points)
    assert {record.basis for record in records} == {"upstream"}
    assert {record.flags for record in records} == {"client_gone"}
    assert {hold.state for hold in customer.holds()} == {"settled"}


def test_a_client_may_leave_before_the_upstream_has_said_a_word(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    gate = Gate()
    upstream.on(model="m", reply=REPLY.paced(0.05).held(gate))
    call = RawCall(live_gateway, customer.secret)
    call.send(model="m", messages=SAY_HI, stream=True)
    upstream.journal.wait_arrived()
    call.leave()
    gate.set()

    [record] = customer.wait_records()
    assert customer.charged_credits() == upstream.total_credits() == 7
    assert (record.basis, record.flags) == ("upstream", "client_gone")


def test_a_client_that_leaves_with_the_price_in_hand_changes_nothing(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=REPLY)
    call = RawCall(live_gateway, customer.secret)
    call.send(model="m", messages=SAY_HI, stream=True)
    while DONE not in call.read(1_000):
        pass
    call.leave(reset=True)

    assert [record.flags for record in customer.wait_records()] == [""]
    assert customer.charged_credits() == upstream.total_credits() == 7


@pytest.mark.parametrize(
    "limits",
    [
        {"DRAIN_SECONDS": 1},
        pytest.param({"DRAIN_MAX": 0}, marks=pytest.mark.once),
        pytest.param({"DRAIN_SECONDS": 0}, marks=pytest.mark.once),
    ],
    ids=repr,
)
def test_reading_on_has_a_limit_and_then_what_was_seen_is_charged(
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
    limits: dict[str, int],
) -> None:
    started, gate = gateway(**limits), Gate()
    named = stream_reply([chat_chunk(text, usage=usage_of(2)) for text in PIECES])
    upstream.on(model="named", reply=named.after_events(2, gate))
    unnamed = stream_reply([chat_chunk(text * 100) for text in PIECES])
    upstream.on(model="unnamed", reply=unnamed.after_events(2, gate))
    upstream.on(model="silent", reply=named.after_events(0, gate))
    for model, read in (("named", 20), ("unnamed", 20), ("silent", 0)):
        call = RawCall(started, customer.secret)
        call.send(model=model, messages=SAY_HI, stream=True)
        call.read(read) if read else call.read_head()
        call.leave()
    holds = customer.wait_over(3)

    entries = upstream.journal.wait_finished(3)
    assert {entry.state for entry in entries} == {"client_gone"}  # we hung up
    found = {record.model: record for record in customer.records()}
    assert {record.flags for record in found.values()} == {"client_gone drain_capped"}
    assert found["named"].charged_micros == 2 * CREDIT
    assert (found["named"].basis, found["unnamed"].basis) == ("upstream", "estimated")
    bounds = {hold.model: hold.amount_micros for hold in holds}
    assert 0 < found["unnamed"].charged_micros < bounds["unnamed"]
    assert (found["silent"].basis, found["silent"].charged_micros) == ("in_doubt", 0)
    assert {hold.model for hold in holds if hold.state == "released"} == {"silent"}


def test_a_reader_that_takes_nothing_holds_up_nobody_else(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    # Two pairs of sockets may grow to 10 MB each (Linux' tcp_wmem and tcp_rmem): 60 MB
    # are more than they and the queues hold, so the gateway waits for this reader.
    pieces = 1_000
    flood = stream_reply(
        [chat_chunk("x" * 60_000) for _ in range(pieces)]
        + [chat_chunk(choices=[], usage=usage_of(9)), DONE],
        credits=9,
    )
    upstream.on(model="flood", reply=flood)
    call = RawCall(live_gateway, customer.secret)
    call.send(model="flood", messages=SAY_HI, stream=True, max_tokens=100_000)
    call.read(10)
    [entry] = upstream.journal
    wait_for(lambda: entry.pieces_sent > 20)
    for _ in range(10):
        assert customer.chat(live_gateway, "quick").status_code == 200
        assert entry.pieces_sent < pieces  # and the flood is still held up
    call.leave()

    customer.wait_records(11)
    assert customer.charged_credits() == upstream.total_credits() == 9 + 10 * 3
