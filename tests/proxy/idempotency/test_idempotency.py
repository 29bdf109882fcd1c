"""One Idempotency-Key, one call: at once, later, from elsewhere, after a crash."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from billing.models import Attempt, Hold
from billing.models.hold import HoldState
from proxy.models import StoredReply
from tests.proxy.conftest import Customers
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.gateway.retrying import keyed
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, chat_json, chat_stream
from tests.support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("clean_ledger")


def at_once(
    count: int, customer: Customer, *gateways: Gateway, gate: Gate, waiting: int
) -> list[httpx.Response]:
    """Keyed calls over the gateways in turn; the gate opens once only those wait."""
    with ThreadPoolExecutor(count) as pool:
        calls = [
            pool.submit(keyed, customer, gateways[number % len(gateways)])
            for number in range(count)
        ]
        wait_for(lambda: sum(not call.done() for call in calls) == waiting)
        gate.set()
        return [call.result() for call in calls]


def test_sixteen_at_once_are_one_call(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    gate = Gate()
    upstream.on(model="m", reply=chat_json(credits=5).held(gate).delayed(0.3))
    customer.http(live_gateway)
    replies = at_once(16, customer, live_gateway, gate=gate, waiting=16)

    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.content for reply in replies}) == 1
    assert len({reply.headers["x-request-id"] for reply in replies}) == 1
    charged = sorted(reply.headers["x-credits-charged"] for reply in replies)
    assert charged == ["0"] * 15 + ["5"]
    assert len(upstream.journal) == len(customer.holds()) == 1
    assert customer.charged_credits() == upstream.total_credits() == 5


def test_two_processes_at_once_are_one_call(
    live_gateway: Gateway,
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
) -> None:
    other, gate = gateway(), Gate()
    upstream.on(model="m", reply=chat_json(credits=5).held(gate))
    for each in (live_gateway, other):
        customer.http(each)
    replies = at_once(8, customer, live_gateway, other, gate=gate, waiting=8)

    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.content for reply in replies}) == 1
    charged = sorted(reply.headers["x-credits-charged"] for reply in replies)
    assert charged == ["0"] * 7 + ["5"]
    assert len(upstream.journal) == len(customer.holds()) == 1
    assert customer.charged_credits() == upstream.total_credits() == 5


def test_elsewhere_a_repeat_waits_as_long_as_its_client_does(
    live_gateway: Gateway,
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
) -> None:
    other, gate = gateway(), Gate()
    upstream.on(model="m", reply=chat_json(credits=5).held(gate))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(keyed, customer, live_gateway)
        upstream.journal.wait_arrived()
        reply = keyed(customer, other, patience=2)
        assert reply.json()["error"]["code"] == "request_in_progress"
        assert (reply.status_code, reply.headers["retry-after"]) == (409, "1")
        gate.set()
        assert first.result().status_code == 200
    again = keyed(customer, other)
    assert again.headers["x-idempotent-replay"] == "true"
    assert len(upstream.journal) == len(customer.holds()) == 1


@pytest.mark.parametrize("when", ["running", "done", "elsewhere"])
def test_another_request_under_the_same_key_is_refused(
    live_gateway: Gateway,
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
    when: str,
) -> None:
    gate = Gate()
    upstream.on(model="m", reply=chat_json(credits=5).held(gate))
    asked = gateway() if when == "elsewhere" else live_gateway
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(keyed, customer, live_gateway)
        upstream.journal.wait_arrived()
        if when == "done":
            gate.set()
            first.result()
        reply = keyed(customer, asked, temperature=1)
        assert_refusal(reply, 422, "idempotency_mismatch")
        gate.set()
        assert first.result().status_code == 200
    assert len(upstream.journal) == len(customer.wait_records(1)) == 1


@pytest.mark.once
@pytest.mark.parametrize(("query", "space"), [("", b" "), ("?a=1", b"")])
def test_a_space_or_a_query_makes_another_request(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    query: str,
    space: bytes,
) -> None:
    client = customer.http(live_gateway)
    headers = {"idempotency-key": "k", "content-type": "application/json"}
    same, path = b'{"messages":[{"role":"user","content":"a"}]}', "/chat/completions"
    client.post(path, content=same, headers=headers)
    reply = client.post(path + query, content=same + space, headers=headers)
    assert_refusal(reply, 422, "idempotency_mismatch")
    again = client.post(path, content=same, headers=headers)
    assert (again.headers["x-idempotent-replay"], len(upstream.journal)) == ("true", 1)


@pytest.mark.once
def test_a_key_belongs_to_one_endpoint_alone(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    assert keyed(customer, live_gateway).status_code == 200
    reply = customer.http(live_gateway).post(
        "/embeddings", json={"input": "a"}, headers={"idempotency-key": "order-1"}
    )
    assert (reply.status_code, len(upstream.journal)) == (200, 2)


def test_a_key_belongs_to_one_organization_alone(
    live_gateway: Gateway, upstream: Upstream, customers: Customers
) -> None:
    ours, theirs = customers(), customers()
    first, second = keyed(ours, live_gateway), keyed(theirs, live_gateway)

    assert first.json()["id"] != second.json()["id"]
    assert "x-idempotent-replay" not in second.headers
    assert len(ours.records()) == len(theirs.records()) == 1
    # Another request of theirs is no mismatch with ours.
    assert keyed(theirs, live_gateway, "order-2", n=2).status_code == 200
    assert keyed(ours, live_gateway, "order-2").status_code == 200


def test_a_refusal_before_the_hold_does_not_use_up_the_key(
    live_gateway: Gateway, upstream: Upstream, customers: Customers
) -> None:
    poor = customers(credits=1)
    assert keyed(poor, live_gateway).status_code == 402
    assert keyed(poor, live_gateway, n="x").status_code == 400
    assert not Attempt.objects.filter(hold__account_id=poor.account_id).exists()
    # Another request is not even a mismatch: nothing was done under this key.
    assert keyed(poor, live_gateway, n=2).status_code == 402


@pytest.mark.once
@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "\xfc"])
def test_a_key_that_is_none_is_refused(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, key: str
) -> None:
    headers = [(b"idempotency-key", key.encode("latin-1"))]
    reply = customer.http(live_gateway).post(
        "/chat/completions", json={"model": "m", "messages": SAY_HI}, headers=headers
    )
    assert_refusal(reply, 400, "invalid_idempotency_key")
    assert_nothing_happened(customer, upstream)


def test_a_reply_too_large_to_keep_is_not_paid_for_again(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(credits=5, text="x" * 300_000))
    assert keyed(customer, live_gateway).status_code == 200
    assert_completed(keyed(customer, live_gateway), customer)
    assert len(upstream.journal) == 1


def assert_completed(reply: httpx.Response, customer: Customer) -> None:
    """409, with all that is left to say of the call."""
    [hold] = customer.holds()
    error, request_id = reply.json()["error"], f"req_{hold.id.hex}"
    assert (reply.status_code, error["code"]) == (409, "already_completed")
    assert error["type"] == "conflict_error"
    assert reply.headers["x-should-retry"] == "false"
    assert error["metadata"] == {"request_id": request_id, "charged_credits": "5"}
    assert f"GET /v1/requests/{request_id}" in error["message"]
    assert "charged 5 credits" in error["message"]


def test_a_short_stream_is_told_again(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_stream(credits=5))
    first = keyed(customer, live_gateway, stream=True)
    again = keyed(customer, live_gateway, stream=True)

    assert again.content == first.content
    assert again.headers["content-type"] == "text/event-stream"
    assert again.headers["x-idempotent-replay"] == "true"
    assert again.headers["x-credits-charged"] == "0"
    assert len(upstream.journal) == 1
    assert customer.charged_credits() == 5


def test_a_stream_that_broke_off_or_is_too_long_is_not(
    live_gateway: Gateway,
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
) -> None:
    short = gateway(REPLAY_BYTES_MAX=500)
    whole = chat_stream(credits=5)
    for key, served, reply in (
        ("cut", live_gateway, whole.cut_after_events(1)),
        ("long", short, whole),
    ):
        upstream.on(model="m", reply=reply)
        assert keyed(customer, served, key, stream=True).status_code == 200
        again = keyed(customer, served, key, stream=True)
        assert_refusal(again, 409, "already_completed")
    assert len(upstream.journal) == 2


def test_a_gateway_killed_before_it_kept_the_reply_does_not_charge_twice(
    gateway: GatewayFactory,
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
) -> None:
    started = gateway(CRASHPOINT="reply.keeping", LEASE_SECONDS=2)
    upstream.on(model="m", reply=chat_json(credits=5))
    with suppress(httpx.TransportError):  # it may die before all is out
        keyed(customer, started)
    wait_for(lambda: not started.is_healthy())
    started.kill()
    assert not StoredReply.objects.filter(account_id=customer.account_id).exists()
    assert_completed(keyed(customer, live_gateway), customer)
    assert customer.charged_credits() == upstream.total_credits() == 5


def test_a_gateway_that_is_told_to_stop_keeps_its_last_reply(
    gateway: GatewayFactory,
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
) -> None:
    started = gateway()
    assert keyed(customer, started).status_code == 200
    started.stop()
    again = keyed(customer, live_gateway)
    assert again.headers["x-idempotent-replay"] == "true"
    assert len(upstream.journal) == 1


def test_a_gateway_killed_in_the_call_leaves_the_key_in_doubt(
    gateway: GatewayFactory,
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
) -> None:
    started = gateway()
    upstream.on(model="m", reply=chat_json(credits=5).held(Gate()))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(keyed, customer, started)
        upstream.journal.wait_arrived()
        started.kill()
        assert first.exception() is not None
    again = keyed(customer, live_gateway, patience=1)
    assert again.json()["error"]["code"] == "request_in_progress"
    [hold] = customer.holds()
    # As the sweep will, once the lease has run out.
    Hold.objects.filter(id=hold.id).update(state=HoldState.IN_DOUBT)
    assert_refusal(keyed(customer, live_gateway), 409, "upstream_ambiguous")
    Hold.objects.filter(id=hold.id).update(state=HoldState.OPEN)
    assert len(upstream.journal) == 1
