"""What an SDK sends again by itself is charged once: the answer, not the attempt."""

from __future__ import annotations

import threading
import time
from typing import Any

import openai
import pytest

from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.retrying import lost, retried
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, chat_json, chat_stream, error_json

pytestmark = pytest.mark.usefixtures("clean_ledger")

# Retries, half a second apart at first: more than even a slow machine needs.
MANY = 9


def test_an_answer_whose_client_had_left_is_given_again(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    lost(customer, live_gateway, upstream, chat_json(credits=7, text="Ahoy"))
    reply = retried(customer, live_gateway, 1)

    [record], [hold] = customer.wait_records(1), customer.holds()
    assert reply.json()["choices"][0]["message"]["content"] == "Ahoy"
    assert reply.headers["x-idempotent-replay"] == "true"
    assert reply.headers["x-credits-charged"] == "0"
    assert reply.headers["x-request-id"] == f"req_{hold.id.hex}"
    assert customer.charged_credits() == upstream.total_credits() == 7
    assert record.hold_id == hold.id


def test_an_answer_lost_twice_is_given_a_third_time(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(credits=7).delayed(3.5))
    impatient = customer.openai(live_gateway, read_seconds=1).chat.completions
    patient = customer.openai(live_gateway).chat.completions.with_raw_response
    body: Any = {"model": "m", "messages": SAY_HI}
    counts = [{"x-stainless-retry-count": str(count)} for count in range(3)]
    for count in counts[:2]:
        with pytest.raises((openai.APITimeoutError, openai.ConflictError)):
            impatient.create(**body, extra_headers=count)
    reply = patient.create(**body, extra_headers=counts[2])
    assert reply.headers["x-idempotent-replay"] == "true"
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


def test_a_retry_leaves_to_another_what_only_that_one_can_have(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    """A second retry took the answer of a first attempt, because it was the latest: to
    the first retry that had lost it only a second attempt was left, so it was charged
    again."""
    lost(customer, live_gateway, upstream, chat_json(text="second attempt"), count=1)
    lost(customer, live_gateway, upstream, chat_json(text="first attempt"))
    for count, text in ((2, "second attempt"), (1, "first attempt")):
        again = retried(customer, live_gateway, count)
        assert again.json()["choices"][0]["message"]["content"] == text
    assert len(upstream.journal) == 2


def in_threads(target: Any, count: int, gate: Gate) -> None:
    """Run `target` so often at once; the upstream answers once all are on their way."""
    threads = [threading.Thread(target=target) for _ in range(count)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    gate.set()
    for thread in threads:
        thread.join()


def test_an_answer_too_late_to_tell_is_kept_for_the_retry(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    """As behind a balancer: its connection stands, and its client may have left."""
    upstream.on(model="m", reply=chat_json(credits=2, text="Late").delayed(1.5))
    late = retried(customer, live_gateway, 0, patience=1)
    assert late.json()["error"]["code"] == "request_in_progress"
    assert late.headers["retry-after"] == "1"
    again = retried(customer, live_gateway, 1)
    assert again.json()["choices"][0]["message"]["content"] == "Late"
    assert len(upstream.journal) == len(customer.wait_records(1)) == 1


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
    lost(customer, live_gateway, upstream, seed=1)
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


def test_a_call_in_doubt_is_not_made_anew_for_a_client_that_did_not_hear_of_it(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    lost(customer, live_gateway, upstream, chat_json(credits=3).dropped())
    again = retried(customer, live_gateway, 1)

    [hold] = customer.holds()
    assert (again.status_code, again.headers["x-should-retry"]) == (409, "false")
    assert again.json()["error"]["code"] == "upstream_ambiguous"
    assert f"req_{hold.id.hex}" in again.json()["error"]["message"]
    assert len(upstream.journal) == 1


def test_a_stream_is_charged_once_and_told_twice(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    lost(customer, live_gateway, upstream, chat_stream(credits=4), stream=True)
    again = retried(customer, live_gateway, 1, stream=True)

    assert (again.status_code, again.headers["x-idempotent-replay"]) == (200, "true")
    assert again.content.endswith(b"data: [DONE]\n\n")
    assert len(upstream.journal) == 1
    assert customer.charged_credits() == upstream.total_credits() == 4


def test_a_retry_of_a_stream_that_runs_gets_all_of_it(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_stream(credits=4).delayed(2.2))
    client = customer.openai(live_gateway, max_retries=MANY, read_seconds=1)
    stream = client.chat.completions.create(model="m", messages=SAY_HI, stream=True)

    said = [choice.delta.content or "" for chunk in stream for choice in chunk.choices]
    assert "".join(said) == "Hello world"
    assert len(upstream.journal) == 1
    assert customer.charged_credits() == upstream.total_credits() == 4
