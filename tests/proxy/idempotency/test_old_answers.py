"""A new call gets a new answer, also where it looks like a retry of an older one: its
own first attempt may have been refused on the way here."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.gateway.customers import Customer
from tests.support.gateway.retrying import lost, retried
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, chat_json, chat_stream

pytestmark = pytest.mark.usefixtures("clean_ledger")

WHERE = pytest.mark.parametrize("where", ["here", "elsewhere"])


@pytest.fixture
def asked(where: str, live_gateway: Gateway, gateway: GatewayFactory) -> Gateway:
    return live_gateway if where == "here" else gateway()


@WHERE
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_call_that_was_answered_is_nobody_elses(
    live_gateway: Gateway,
    asked: Gateway,
    upstream: Upstream,
    customer: Customer,
    stream: bool,
) -> None:
    reply = chat_stream(credits=2) if stream else chat_json(credits=2)
    upstream.on(model="m", reply=reply)
    for each, count in ((live_gateway, 0), (asked, 1), (live_gateway, 1), (asked, 2)):
        answer = retried(customer, each, count, stream=stream)
        assert answer.status_code == 200, answer.text
        assert "x-idempotent-replay" not in answer.headers
    assert len(upstream.journal) == len(customer.wait_records(4)) == 4
    assert customer.charged_credits() == upstream.total_credits() == 8


@WHERE
def test_a_call_whose_client_still_waits_is_nobody_elses(
    live_gateway: Gateway, asked: Gateway, upstream: Upstream, customer: Customer
) -> None:
    gate, texts = Gate(), iter(["first", "second"])
    upstream.on(
        model="m", reply=lambda _: chat_json(credits=2, text=next(texts)).held(gate)
    )
    customer.http(live_gateway), customer.http(asked)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(retried, customer, live_gateway, 0)
        upstream.journal.wait_arrived(1)
        second = pool.submit(retried, customer, asked, 1)
        upstream.journal.wait_arrived(2)
        gate.set()
        answers = [
            call.result().json()["choices"][0]["message"]["content"]
            for call in (first, second)
        ]
    assert answers == ["first", "second"]
    assert customer.charged_credits() == upstream.total_credits() == 4


@WHERE
def test_an_answer_that_a_retry_got_is_given_to_no_other(
    live_gateway: Gateway, asked: Gateway, upstream: Upstream, customer: Customer
) -> None:
    lost(customer, live_gateway, upstream, chat_json(credits=2))
    given = retried(customer, asked, 1)
    assert given.headers["x-idempotent-replay"] == "true"
    for count in (1, 2, 3):
        upstream.on(model="m", reply=chat_json(credits=2, text=f"new {count}"))
        answer = retried(customer, live_gateway, count)
        assert answer.json()["choices"][0]["message"]["content"] == f"new {count}"
    assert len(upstream.journal) == 4
    assert customer.charged_credits() == upstream.total_credits() == 8


@WHERE
def test_a_last_word_that_a_retry_got_is_given_to_no_other(
    live_gateway: Gateway, asked: Gateway, upstream: Upstream, customer: Customer
) -> None:
    lost(customer, live_gateway, upstream, chat_stream(credits=2), stream=True)
    told = retried(customer, asked, 1, stream=True)
    assert told.headers["x-idempotent-replay"] == "true"
    upstream.on(model="m", reply=chat_stream(credits=2))
    for each in (asked, live_gateway):
        new = retried(customer, each, 1, stream=True)
        assert "x-idempotent-replay" not in new.headers
    assert len(upstream.journal) == 3


def test_a_gateway_that_ended_in_order_had_said_what_it_knew(
    live_gateway: Gateway,
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
) -> None:
    first = gateway()
    upstream.on(model="m", reply=chat_json(credits=2))
    retried(customer, first, 0)
    lost(customer, first, upstream, chat_json(credits=2, text="lost"), user="other")
    first.stop()
    again = retried(customer, live_gateway, 1, user="other")
    assert again.json()["choices"][0]["message"]["content"] == "lost"
    assert "x-idempotent-replay" not in retried(customer, live_gateway, 1).headers
    assert len(upstream.journal) == 3


def test_what_a_killed_gateway_did_is_not_made_again(
    live_gateway: Gateway,
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
) -> None:
    started = gateway(LEASE_SECONDS=2)
    upstream.on(model="m", reply=chat_json(credits=2).held(Gate()))
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(retried, customer, started, 0)
        upstream.journal.wait_arrived()
        started.kill()
        assert call.exception() is not None
    # Its lease runs on for a while; then it is known to be dead, and nothing is swept.
    for _ in range(2):
        again = retried(customer, live_gateway, 1, patience=5)
        assert again.json()["error"]["code"] == "request_in_progress"
    assert len(upstream.journal) == 1


def test_while_a_second_attempt_is_not_known_a_first_is_left_to_others(
    live_gateway: Gateway,
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
) -> None:
    started = gateway()
    upstream.on(model="m", reply=chat_json(credits=2).held(Gate()))
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(retried, customer, started, 1)
        upstream.journal.wait_arrived()
        started.kill()
        assert call.exception() is not None
    lost(customer, live_gateway, upstream, chat_json(credits=2, text="first"))
    later = retried(customer, live_gateway, 2, patience=5)
    assert later.json()["error"]["code"] == "request_in_progress"
    sooner = retried(customer, live_gateway, 1)
    assert sooner.json()["choices"][0]["message"]["content"] == "first"
    assert len(upstream.journal) == 2
