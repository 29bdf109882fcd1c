"""What an SDK sends again by itself is charged once: the answer, not the attempt."""

from __future__ import annotations

import threading
import time
from typing import Any

import openai
import pytest

from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.relay import Relay
from tests.support.gateway.retrying import retried
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, chat_json, chat_stream, error_json

pytestmark = pytest.mark.usefixtures("clean_ledger")

# Retries, half a second apart at first: more than even a slow machine needs.
MANY = 9


def test_an_answer_that_was_lost_is_given_again(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(credits=7, text="Ahoy"))
    with Relay(live_gateway, losing=1) as relay:
        client = customer.openai(live_gateway, max_retries=2)
        raw = client.with_options(
            base_url=relay.base_url
        ).chat.completions.with_raw_response
        reply = raw.create(model="m", messages=SAY_HI)

    [record], [hold] = customer.wait_records(1), customer.holds()
    assert relay.connections == 2
    assert reply.parse().choices[0].message.content == "Ahoy"
    assert reply.headers["x-idempotent-replay"] == "true"
    assert reply.headers["x-credits-charged"] == "0"
    assert reply.headers["x-request-id"] == f"req_{hold.id.hex}"
    assert customer.charged_credits() == upstream.total_credits() == 7
    assert record.hold_id == hold.id


def test_an_answer_lost_twice_is_given_a_third_time(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(credits=7))
    with Relay(live_gateway, losing=2) as relay:
        client = customer.openai(live_gateway, max_retries=2)
        client.with_options(base_url=relay.base_url).chat.completions.create(
            model="m", messages=SAY_HI
        )
    assert relay.connections == 3
    assert customer.charged_credits() == upstream.total_credits() == 7


def test_a_retry_after_a_timeout_joins_the_call_that_still_runs(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(credits=5, text="Late").delayed(2.2))
    client = customer.openai(live_gateway, max_retries=MANY, read_seconds=1)
    completion = client.chat.completions.create(model="m", messages=SAY_HI)

    assert completion.choices[0].message.content == "Late"
    assert len(upstream.journal) == len(customer.wait_records(1)) == 1
    assert customer.charged_credits() == 5


def test_two_equal_requests_get_two_answers_even_when_both_are_retried(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    gate, texts = Gate(), iter(["first", "second"])
    upstream.on(
        model="m", reply=lambda _: chat_json(credits=2, text=next(texts)).held(gate)
    )
    client = customer.openai(live_gateway).chat.completions
    impatient = customer.openai(live_gateway, read_seconds=1).chat.completions
    for _ in range(2):
        with pytest.raises(openai.APITimeoutError):
            impatient.create(model="m", messages=SAY_HI)
    upstream.journal.wait_arrived(2)
    body: Any = {"model": "m", "messages": SAY_HI}
    again = {"x-stainless-retry-count": "1"}
    answers: set[str | None] = set()

    def retry() -> None:
        completion = client.create(**body, extra_headers=again)
        answers.add(completion.choices[0].message.content)

    in_threads(retry, 2, gate)
    assert answers == {"first", "second"}
    assert len(upstream.journal) == 2
    assert customer.charged_credits() == 4


def in_threads(target: Any, count: int, gate: Gate) -> None:
    """Run `target` so often at once; the upstream answers once all are on their way."""
    threads = [threading.Thread(target=target) for _ in range(count)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    gate.set()
    for thread in threads:
        thread.join()


def test_asking_the_same_twice_is_no_retry(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    client = customer.openai(live_gateway).chat.completions
    for _ in range(2):
        client.create(model="m", messages=SAY_HI)
    assert len(upstream.journal) == len(customer.wait_records(2)) == 2


def test_a_retry_with_other_bytes_is_another_request(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    retried(customer, live_gateway, 0, seed=1)
    retried(customer, live_gateway, 1, seed=2)
    reordered = (
        b'{"seed":1,"messages":[{"role":"user","content":"Say hi."}],"model":"m"}'
    )
    headers = {"x-stainless-retry-count": "1", "content-type": "application/json"}
    customer.http(live_gateway).post(
        "/chat/completions", content=reordered, headers=headers
    )
    assert len(upstream.journal) == 3


def test_a_call_that_cost_nothing_is_made_anew(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    replies = iter([error_json(503), chat_json(credits=3)])
    upstream.on(model="m", reply=lambda _: next(replies))
    client = customer.openai(live_gateway, max_retries=2)
    completion = client.chat.completions.create(model="m", messages=SAY_HI)

    assert completion.usage is not None
    assert [hold.state for hold in customer.holds()] == ["released", "settled"]
    assert customer.charged_credits() == 3


def test_a_call_in_doubt_is_not_made_anew(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(credits=3).dropped())
    assert retried(customer, live_gateway, 0).status_code == 502
    again = retried(customer, live_gateway, 1)

    [hold] = customer.holds()
    assert (again.status_code, again.headers["x-should-retry"]) == (409, "false")
    assert again.json()["error"]["code"] == "upstream_ambiguous"
    assert f"req_{hold.id.hex}" in again.json()["error"]["message"]
    assert len(upstream.journal) == 1


def test_a_stream_is_charged_once_and_not_told_twice(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_stream(credits=4))
    assert retried(customer, live_gateway, 0, stream=True).status_code == 200
    customer.wait_records(1)
    again = retried(customer, live_gateway, 1, stream=True)

    error = again.json()["error"]
    assert (again.status_code, error["code"]) == (409, "already_completed")
    assert (error["type"], again.headers["x-should-retry"]) == (
        "conflict_error",
        "false",
    )
    assert error["metadata"]["charged_credits"] == "4"
    assert customer.charged_credits() == upstream.total_credits() == 4


def test_a_retry_of_a_stream_that_runs_waits_for_its_end(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_stream(credits=4).delayed(2.2))
    client = customer.openai(live_gateway, max_retries=MANY, read_seconds=1)
    with pytest.raises(openai.ConflictError) as refusal:
        client.chat.completions.create(model="m", messages=SAY_HI, stream=True)

    assert refusal.value.code == "already_completed"
    assert len(upstream.journal) == 1
    assert customer.charged_credits() == upstream.total_credits() == 4
