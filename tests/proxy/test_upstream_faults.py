"""Whatever the upstream does: a clear answer, the right end of the hold, no secrets."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import pytest

from billing.values.orders import CREDIT
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.services.environment import UPSTREAM_API_KEY
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    Ending,
    ScriptedReply,
    Upstream,
    chat_json,
    error_json,
    gzipped,
    html,
    json_reply,
    redirect,
)

# The ends of holds on PostgreSQL: test_every_exit_ends_the_hold.py.
pytestmark = pytest.mark.once

SECRET_TEXT = f"Incorrect API key {UPSTREAM_API_KEY} of account op-77"
ANSWER = chat_json(credits=4)


@dataclass(frozen=True)
class Case:
    """A reply of the upstream's, and what must come of it."""

    reply: ScriptedReply
    status: int
    code: str
    retry: str  # x-should-retry
    state: str  # of the hold


def ambiguous(reply: ScriptedReply, status: int = 502) -> Case:
    """The upstream may have worked: kept, listed, and not to be tried again."""
    return Case(reply, status, "upstream_ambiguous", "false", "in_doubt")


def unavailable(status: int) -> Case:
    reply = error_json(status, SECRET_TEXT)
    return Case(reply, 503, "upstream_unavailable", "false", "released")


def passed_on(status: int) -> Case:
    reply = error_json(status, SECRET_TEXT, code="their_code")
    return Case(reply, status, "their_code", "false", "released")


def refused(reply: ScriptedReply) -> Case:
    return Case(reply, 502, "upstream_error", "false", "released")


CASES = {
    "closed before its reply": ambiguous(ANSWER.dropped()),
    "reset before its reply": ambiguous(ANSWER.dropped(Ending.RESET)),
    "silent": ambiguous(ANSWER.dropped(Ending.STALL), 504),
    "closed after its head": ambiguous(ANSWER.cut_after_bytes(0)),
    "cut in its body": ambiguous(ANSWER.cut_after_bytes(50)),
    "reset in its body": ambiguous(ANSWER.after_bytes(50, Ending.RESET)),
    "silent in its body": ambiguous(ANSWER.after_bytes(50, Ending.STALL), 504),
    "HTML": ambiguous(html(200, SECRET_TEXT)),
    "text": ambiguous(ANSWER.but(content_type="text/plain")),
    "no type": ambiguous(ANSWER.but(content_type=None)),
    "an unasked stream": ambiguous(ANSWER.but(content_type="text/event-stream")),
    "compressed": ambiguous(gzipped(ANSWER)),
    "half a JSON": ambiguous(json_reply(ANSWER.body[:-5])),
    "NaN": ambiguous(json_reply(b'{"usage": {"credits_used": NaN}}')),
    "a list": ambiguous(json_reply([1])),
    "null": ambiguous(json_reply(b"null")),
    "nothing": ambiguous(json_reply(b"")),
    "an error": ambiguous(json_reply({"error": {"message": SECRET_TEXT}})),
    "too much": ambiguous(json_reply({"pad": "x" * 100_000})),
    "no HTTP": ambiguous(ANSWER.but(headers={"bad\x00name": "x"})),
    "201": ambiguous(ANSWER.but(status=201)),
    "202": ambiguous(ANSWER.but(status=202)),
    **{
        str(status): ambiguous(error_json(status, SECRET_TEXT, credits=4))
        for status in (500, 501, 502, 504, 520, 522, 524, 599)
    },
    "500 in HTML": ambiguous(html(500, SECRET_TEXT)),
    **{str(status): passed_on(status) for status in (400, 404, 413, 415, 422)},
    "400 in HTML": Case(
        html(400, SECRET_TEXT), 400, "upstream_refused", "false", "released"
    ),
    **{str(status): unavailable(status) for status in (401, 402, 403)},
    **{
        str(status): refused(redirect("/api/v1/canary", status))
        for status in (301, 302, 303, 307, 308)
    },
    "405": refused(error_json(405, SECRET_TEXT)),
    "409": refused(error_json(409, SECRET_TEXT)),
    "503": Case(
        error_json(503, SECRET_TEXT), 503, "upstream_error", "true", "released"
    ),
}


@pytest.mark.parametrize("stream", [False, pytest.param(True, marks=pytest.mark.once)])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_fault_is_answered_and_its_hold_is_ended(
    impatient_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    case: Case,
    stream: bool,
) -> None:
    if stream and "event-stream" in (case.reply.content_type or ""):
        return  # then it is no fault
    upstream.on(model="m", reply=case.reply)
    reply = customer.chat(impatient_gateway, "m", stream=stream)

    assert_refusal(reply, case.status, case.code)
    assert reply.headers["x-should-retry"] == case.retry
    [hold] = customer.holds()
    assert hold.state == case.state
    assert reply.headers["x-request-id"] == f"req_{hold.id.hex}"
    assert customer.records() == []
    is_kept = case.state == "in_doubt"
    held = hold.amount_micros if is_kept else 0
    assert customer.available_micros() == 100_000 * CREDIT - held
    assert reply.headers.get("x-price-basis") == ("in_doubt" if is_kept else None)
    assert UPSTREAM_API_KEY not in f"{reply.text} {reply.headers}"
    assert UPSTREAM_API_KEY not in impatient_gateway.log_text()
    [entry] = upstream.journal  # never sent twice, no redirect followed
    assert "op-77" not in reply.text or entry.status in (400, 404, 413, 415, 422)


@pytest.mark.parametrize(
    ("wish", "told"),
    [("7", "7"), ("0", "0"), ("500", "60"), ("soon", "1"), ("-1", "1"), ("1.5", "1")],
)
def test_a_rate_limit_is_passed_on_with_its_delay_within_reason(
    impatient_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    wish: str,
    told: str,
) -> None:
    reply = error_json(429, SECRET_TEXT, headers={"retry-after": wish})
    upstream.on(model="m", reply=reply)
    answer = customer.chat(impatient_gateway, "m")

    assert_refusal(answer, 429, "upstream_rate_limited")
    assert "x-should-retry" not in answer.headers
    assert answer.headers["retry-after"] == told
    assert [hold.state for hold in customer.holds()] == ["released"]
    assert UPSTREAM_API_KEY not in answer.text


@pytest.mark.parametrize("position", [0, 480, 490, 499, 500, 501])
def test_no_part_of_the_upstreams_key_survives_shortening(
    impatient_gateway: Gateway, upstream: Upstream, customer: Customer, position: int
) -> None:
    message = "x" * position + UPSTREAM_API_KEY
    body = {"error": {"message": message, "code": UPSTREAM_API_KEY, "param": message}}
    upstream.on(model="m", reply=json_reply(body, status=400, charge="never"))
    reply = customer.chat(impatient_gateway, "m")

    assert reply.status_code == 400
    assert UPSTREAM_API_KEY[:4] not in reply.text
    assert len(reply.json()["error"]["message"]) <= 500


@pytest.mark.parametrize(
    "error", [None, 7, "text", [], {}, {"message": None}, {"message": {"a": 1}}]
)
def test_an_error_of_no_shape_is_given_one(
    impatient_gateway: Gateway, upstream: Upstream, customer: Customer, error: object
) -> None:
    reply = json_reply({"error": error}, status=422, charge="never")
    upstream.on(model="m", reply=reply)

    assert_refusal(customer.chat(impatient_gateway, "m"), 422, "upstream_refused")


def test_an_upstream_that_is_not_there_may_be_tried_again(
    gateway: GatewayFactory, customer: Customer, clean_ledger: None
) -> None:
    reply = customer.chat(gateway(UPSTREAM_BASE_URL="http://127.0.0.1:9"), "m")

    assert_refusal(reply, 502, "upstream_error")
    assert reply.headers["x-should-retry"] == "true"
    assert reply.headers["x-credits-charged"] == "0"
    assert [hold.state for hold in customer.holds()] == ["released"]
    assert customer.available_micros() == 100_000 * CREDIT


def test_an_upstream_that_does_not_read_a_large_body_is_not_waited_for(
    gateway: GatewayFactory, customer: Customer
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
        started = gateway(UPSTREAM_BASE_URL=url, UPSTREAM_IDLE_SECONDS=1)
        large: list[dict[str, str]] = [{"role": "user", "content": "a" * 10_000_000}]
        reply = customer.chat(started, "openai/gpt-4o-mini", messages=large)
        assert_refusal(reply, 504, "upstream_ambiguous")
    [hold] = customer.wait_over()
    assert (hold.state, hold.reason) == ("in_doubt", "upstream_timeout")
