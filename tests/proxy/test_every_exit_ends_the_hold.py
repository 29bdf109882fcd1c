"""Whatever happens between a hold and its answer, the hold does not stay open."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from billing import holds
from billing.values.orders import CREDIT
from portal.tenants import keys, organizations
from tests.support.cast import OPERATOR, actor_of
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.raw import RawCall
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    Ending,
    Gate,
    ScriptedReply,
    Upstream,
    chat_json,
    chat_stream,
    error_json,
    redirect,
)

pytestmark = pytest.mark.usefixtures("clean_ledger")

ONCE = pytest.mark.once
SETTLED, RELEASED, IN_DOUBT = "settled", "released", "in_doubt"
PLAIN, STREAM = chat_json(credits=5), chat_stream(credits=5)
EXITS: dict[str, tuple[ScriptedReply, bool, str]] = {
    "answered": (PLAIN, False, SETTLED),
    "streamed": (STREAM, True, SETTLED),
    "answered though a stream was asked for": (PLAIN, True, SETTLED),
    "streamed, nothing in it": (STREAM.but(steps=()), True, RELEASED),
    "refused": (error_json(400), False, RELEASED),
    "refused a stream": (error_json(429), True, RELEASED),
    "our account": (error_json(401), False, RELEASED),
    "redirected": (redirect("/elsewhere"), False, RELEASED),
    "failed": (error_json(500), False, IN_DOUBT),
    "closed": (PLAIN.dropped(), False, IN_DOUBT),
    "closed before a stream": (STREAM.dropped(), True, IN_DOUBT),
    "cut": (PLAIN.cut_after_bytes(9), False, IN_DOUBT),
    "cut a stream": (STREAM.cut_after_events(2), True, SETTLED),
    "cut a stream at its start": (STREAM.cut_after_events(0), True, RELEASED),
    "silent": (PLAIN.dropped(Ending.STALL), False, IN_DOUBT),
    "silent in a stream": (STREAM.stall_after_events(1), True, SETTLED),
    "an error whose body is cut": (error_json(400).cut_after_bytes(5), False, RELEASED),
    "an error whose body is silent": (
        error_json(500).after_bytes(5, Ending.STALL),
        False,
        IN_DOUBT,
    ),
}


@pytest.mark.parametrize(("reply", "stream", "state"), EXITS.values(), ids=EXITS)
@pytest.mark.parametrize(
    "stays",
    [pytest.param(True, id="heard"), pytest.param(False, id="unheard", marks=ONCE)],
)
def test_every_exit_ends_the_hold(
    impatient_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    reply: ScriptedReply,
    stream: bool,
    state: str,
    stays: bool,
) -> None:
    upstream.on(model="m", reply=reply)
    call = RawCall(impatient_gateway, customer.secret)
    call.send(model="m", messages=SAY_HI, stream=stream)
    if stays:
        call.read()
    upstream.journal.wait_arrived()
    call.leave()

    [hold] = customer.wait_over()
    assert hold.state == state
    account = customer.account()
    kept = hold.amount_micros if state == IN_DOUBT else 0
    assert account.held_micros == kept
    charged = sum(record.charged_micros for record in customer.records())
    assert account.balance_micros == 100_000 * CREDIT - charged
    assert (charged > 0) == (state == SETTLED)


@ONCE
def test_the_longest_call_is_ended(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    started, gate = gateway(UPSTREAM_TOTAL_SECONDS=3), Gate()
    upstream.on(model="silent", reply=PLAIN.held(gate))
    upstream.on(model="dripping", reply=PLAIN.split(5).paced(0.1))
    upstream.on(model="stream", reply=STREAM.but(steps=STREAM.steps * 20).paced(0.1))
    customer.http(started)
    with ThreadPoolExecutor() as pool:
        silent = pool.submit(customer.chat, started, "silent")
        dripping = pool.submit(customer.chat, started, "dripping")
        stream = pool.submit(customer.chat, started, "stream", stream=True)
    assert silent.result().status_code == dripping.result().status_code == 504
    assert stream.result().status_code == 200

    states = {hold.model: hold.state for hold in customer.wait_over(3)}
    assert states == {"silent": IN_DOUBT, "dripping": IN_DOUBT, "stream": SETTLED}
    entries = upstream.journal.wait_finished(3)
    assert {entry.state for entry in entries} == {"client_gone"}


STOPS: dict[str, Callable[[Customer], None]] = {
    "revoked": lambda it: keys.revoke(it.key, actor=actor_of(it.owner)),
    "suspended": lambda it: organizations.suspend(
        it.organization, reason="unpaid", actor=OPERATOR
    ),
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
def test_a_call_that_runs_is_settled_whatever_becomes_of_its_key(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    stop: Callable[[Customer], None],
) -> None:
    gate = Gate()
    upstream.on(model="m", reply=PLAIN.held(gate))
    customer.http(live_gateway)
    with ThreadPoolExecutor() as pool:
        call = pool.submit(customer.chat, live_gateway, "m")
        upstream.journal.wait_arrived()
        stop(customer)
        gate.set()
        assert call.result().status_code == 200

    assert customer.charged_credits() == upstream.total_credits() == 5


def test_an_orderly_end_leaves_nothing_open(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    started = gateway()
    upstream.on(model="plain", reply=PLAIN.delayed(0.7))
    upstream.on(model="stream", reply=STREAM.paced(0.15))
    upstream.on(model="left", reply=STREAM.paced(0.15))
    left = RawCall(started, customer.secret)
    left.send(model="left", messages=SAY_HI, stream=True).read(5)
    left.leave()
    customer.http(started)
    with ThreadPoolExecutor() as pool:
        plain = pool.submit(customer.chat, started, "plain")
        stream = pool.submit(customer.chat, started, "stream", stream=True)
        upstream.journal.wait_arrived(3)
        time.sleep(0.1)
        started.stop()
    holds.sweep(in_doubt_after=timedelta(days=1))  # the lease was given up

    states = {hold.model: hold.state for hold in customer.holds()}
    assert states == {"plain": SETTLED, "stream": SETTLED, "left": SETTLED}
    assert plain.result().status_code == stream.result().status_code == 200
    assert customer.charged_credits() == upstream.total_credits() == 15
