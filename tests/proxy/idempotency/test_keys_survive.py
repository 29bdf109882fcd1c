"""What an Idempotency-Key stands for outlives the secrets around it, and a doubt."""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing import holds
from portal.tenants import keys
from tests.support.cast import actor_of
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.gateway.retrying import keyed, retried
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, chat_json, chat_stream, json_reply

pytestmark = pytest.mark.usefixtures("clean_ledger")


def test_another_api_key_of_the_organization_gets_the_answer(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    first = keyed(customer, live_gateway)
    keys.revoke(customer.key, actor=actor_of(customer.owner))
    _, secret = customer.new_key()
    again = keyed(customer, live_gateway, secret=secret)

    assert again.content == first.content
    assert again.headers["x-idempotent-replay"] == "true"
    assert len(upstream.journal) == len(customer.records()) == 1
    mismatch = keyed(customer, live_gateway, secret=secret, temperature=1)
    assert_refusal(mismatch, 422, "idempotency_mismatch")


def test_under_another_secret_key_the_words_are_lost_and_the_fact_is_not(
    live_gateway: Gateway,
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
) -> None:
    other = gateway(SECRET_KEY="another-key-for-tests-" + "y" * 40)
    upstream.on(model="m", reply=chat_json(credits=5))
    assert keyed(customer, live_gateway).status_code == 200
    again = keyed(customer, other)
    assert_refusal(again, 409, "already_completed")
    assert again.json()["error"]["metadata"]["charged_credits"] == "5"
    mismatch = keyed(customer, other, temperature=1)
    assert_refusal(mismatch, 422, "idempotency_mismatch")
    assert len(upstream.journal) == len(customer.records()) == 1
    # And the other way round: what was made there is known here.
    assert keyed(customer, other, "order-2").status_code == 200
    assert_refusal(keyed(customer, live_gateway, "order-2"), 409, "already_completed")
    assert len(upstream.journal) == 2


def test_a_stream_that_delivered_nothing_is_not_made_again_under_its_key(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    empty = chat_stream(credits=4).cut_after_events(0)
    upstream.on(model="m", reply=empty)
    assert keyed(customer, live_gateway, stream=True).status_code == 200
    [hold] = customer.wait_over(1)
    assert hold.state == "released"
    again = keyed(customer, live_gateway, stream=True)
    assert_refusal(again, 409, "upstream_ambiguous")
    assert again.headers["x-should-retry"] == "false"
    assert len(upstream.journal) == 1


def test_a_doubt_that_was_given_back_is_not_made_again_under_its_key(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(credits=4).dropped())
    assert keyed(customer, live_gateway).status_code == 502
    for _ in range(2):
        assert_refusal(keyed(customer, live_gateway), 409, "upstream_ambiguous")
        holds.sweep(in_doubt_after=timedelta(0))
    assert [hold.state for hold in customer.holds()] == ["released"]
    assert len(upstream.journal) == 1


def test_who_asks_for_another_form_of_the_answer_asks_for_something_else(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    spoken = {"audio_url": f"{upstream.url}/files/speech.mp3"}
    upstream.on(path="/audio/speech", reply=json_reply(spoken, credits=3))
    http = customer.http(live_gateway)

    def say(accept: str, **headers: str) -> int:
        return http.post(
            "/audio/speech",
            json={"model": "tts", "input": "Ahoy"},
            headers={"accept": accept, **headers},
        ).status_code

    assert say("application/json", **{"idempotency-key": "k"}) == 200
    assert say("audio/mpeg", **{"idempotency-key": "k"}) == 422
    assert say("application/json", **{"idempotency-key": "k"}) == 200
    assert sum("speech" in entry.path for entry in upstream.journal) == 1


def test_a_retry_says_for_itself_whether_it_was_refused_before_its_hold(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    """429 for credits on hold leaves no attempt; the next one is made."""
    assert retried(customer, live_gateway, 0, messages=SAY_HI, n="x").status_code == 400
    assert retried(customer, live_gateway, 1).status_code == 200
    assert len(upstream.journal) == 1
