"""A first attempt leaves its trace before anything is sent: its retry finds it, or is
found by it, whichever gateways they reach."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import openai
import pytest

from billing.models.hold import HoldState
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.raw import RawCall
from tests.support.gateway.retrying import InTurn, keyed, sdk_over
from tests.support.ledger.locks import ledger_locked
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, chat_json, chat_stream
from tests.support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("clean_ledger")

# Within it a gateway on a busy machine surely sees what its client does.
NOTICED_SECONDS = 1


@pytest.fixture
def gateways(live_gateway: Gateway, gateway: GatewayFactory) -> list[Gateway]:
    return [live_gateway, gateway(), gateway(), gateway()]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_of_attempts_that_waited_for_the_ledger_together_one_is_made(
    gateways: list[Gateway],
    upstream: Upstream,
    customer: Customer,
    stack: ExitStack,
    stream: bool,
) -> None:
    reply = chat_stream(credits=5) if stream else chat_json(credits=5)
    upstream.on(model="m", reply=reply)
    way = InTurn(gateways)
    client = sdk_over(customer, way, max_retries=9, timeout=1.2)
    chat = stack.enter_context(client).chat.completions
    pool = stack.enter_context(ThreadPoolExecutor(1))
    with ledger_locked(customer.account_id) as release:
        call = pool.submit(
            lambda: chat.create(model="m", messages=SAY_HI, stream=stream)
        )
        wait_for(lambda: way.sent == 4)
        release.set()
        # On a machine so busy that the answer took longer than the client waits, the
        # retry is told so: a stream is not kept for it.
        told = call.exception()
        if stream and isinstance(told, openai.ConflictError):
            assert told.code == "already_completed"
        else:
            assert list(call.result())

    assert [entry.state for entry in upstream.journal] == ["complete"]
    customer.wait_over(len(customer.holds()))
    assert len(customer.records()) == 1
    assert customer.charged_credits() == upstream.total_credits() == 5


def test_a_call_whose_client_left_before_it_was_held_is_not_made(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    with ledger_locked(customer.account_id):
        call = RawCall(live_gateway, customer.secret)
        call.headers["x-stainless-retry-count"] = "0"
        call.send(model="m", messages=SAY_HI)
        time.sleep(NOTICED_SECONDS)
        call.leave()
        time.sleep(NOTICED_SECONDS)
    [hold] = customer.wait_over(1)

    assert (hold.state, hold.reason) == (HoldState.RELEASED, "client_gone")
    assert len(upstream.journal) == 0
    assert customer.records() == []


def test_a_call_whose_client_said_how_long_it_waits_is_not_made_later(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    """As behind a balancer that keeps its own connection."""
    with RawCall(live_gateway, customer.secret) as call:
        call.headers["x-stainless-retry-count"] = "0"
        call.headers["x-stainless-timeout"] = "1"
        with ledger_locked(customer.account_id) as release:
            call.send(model="m", messages=SAY_HI)
            release.wait(2)
        head = call.read_head()
        assert head.status == 408
        assert head.headers["x-should-retry"] == "true"  # should it still be there
    [hold] = customer.wait_over(1)
    assert (hold.state, hold.reason) == (HoldState.RELEASED, "client_gone")
    assert len(upstream.journal) == 0


def test_a_key_is_claimed_with_the_hold(
    gateways: list[Gateway], upstream: Upstream, customer: Customer
) -> None:
    gate = Gate()
    upstream.on(model="m", reply=chat_json(credits=5).held(gate))
    with ThreadPoolExecutor(8) as pool, ledger_locked(customer.account_id) as release:
        for each in gateways:
            customer.http(each)
        calls = [pool.submit(keyed, customer, each) for each in gateways * 2]
        release.wait(1)
        release.set()
        upstream.journal.wait_arrived()
        gate.set()
        replies = [call.result() for call in calls]

    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.content for reply in replies}) == 1
    assert len(upstream.journal) == len(customer.holds()) == 1
    assert customer.charged_credits() == upstream.total_credits() == 5
