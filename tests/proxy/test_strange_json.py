"""JSON that can be read and not written again: no paid answer is lost by it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.http import foreign_json
from tests.proxy.operations.test_responses import respond
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import DONE, Raw, Upstream, chat_json, stream_reply
from tests.support.upstream.builders import sse

pytestmark = pytest.mark.once

LARGEST = 2**64 - 1  # that orjson reads
FORM = {"response_format": {"type": "json_object"}}


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"[]" + b"}" * (depth - 1)


def test_what_cannot_be_written_again_is_not_read() -> None:
    most = foreign_json.DEPTH_MAX
    assert foreign_json.parse(nested(most))
    for depth in (most + 1, 254, 255, 1023):
        with pytest.raises(ValueError, match="deep"):
            foreign_json.parse(nested(depth))
    with pytest.raises(ValueError, match="recursion|depth|nest|deep|JSON"):
        foreign_json.parse(nested(5000))
    text = json.dumps(["[{" * 900, '\\"[' * 900, "\\", *[{}] * 900])
    assert len(foreign_json.parse(text.encode())) == 903


CHOICE = {"index": 0, "message": {"content": "{}"}, "delta": {"content": "{}"}}
STRANGE: list[dict[str, Any]] = [
    {"choices": [{**CHOICE, "index": []}]},
    {"choices": [{**CHOICE, "index": LARGEST}, {**CHOICE, "index": None}]},
    {"usage": {"prompt_tokens": LARGEST, "completion_tokens": LARGEST}},
]
CALLS = [{"id": "a", "index": LARGEST, "function": {"name": "f"}}, {"id": "b"}]
CALLED = {"index": 0, "delta": {"tool_calls": CALLS}}


@pytest.mark.parametrize("fields", [*STRANGE, {"choices": [CALLED]}], ids=repr)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_numbers_that_nobody_can_hold_lose_no_answer(
    quiet_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    fields: dict[str, Any],
    stream: bool,
) -> None:
    said = {"id": "c", "model": "m", "choices": [CHOICE], **fields}
    before = len(quiet_gateway.log_text())
    events = stream_reply([sse(said), DONE])
    upstream.on(
        model="m",
        reply=events if stream else chat_json().but(steps=(json.dumps(said).encode(),)),
    )
    answer = customer.chat(quiet_gateway, "m", stream=stream, **FORM)
    assert answer.status_code == 200
    assert "[DONE]" in answer.text or not stream
    assert customer.wait_over()[0].state == "settled"
    assert "Traceback" not in quiet_gateway.log_text()[before:]


def test_an_answer_that_is_too_deep_is_none(
    quiet_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    before = len(quiet_gateway.log_text())
    for depth in (200, 300, 1000):
        upstream.on(model="m", reply=chat_json(usage=Raw(nested(depth))))
        assert_refusal(customer.chat(quiet_gateway, "m"), 502, "upstream_ambiguous")
    assert "Traceback" not in quiet_gateway.log_text()[before:]


def test_what_a_response_could_not_repeat_is_refused_free(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    for name in ("metadata", "user", "max_tool_calls", "tool_choice", "top_logprobs"):
        for stream in (False, True):
            asked = {name: {"a": 2**70}, "stream": stream}
            answer = respond(customer, live_gateway, **asked)
            assert_refusal(answer, 400, "invalid_request")
    assert_nothing_happened(customer, upstream)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_name_that_fits_no_header_fails_no_call(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, stream: bool
) -> None:
    reply = stream_reply([sse({"choices": [CHOICE]}), DONE]) if stream else chat_json()
    upstream.on(model="m", reply=reply)
    for name in ("a\nb", "a\r\nset-cookie: b=c", "\u2192", "\0"):
        asked = {"reasoning": {name: 1}, "stream": stream}
        answer = respond(customer, live_gateway, **asked)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-ignored-parameters"] == "reasoning"
    asked = {"reasoning": {"summary": "auto"}, "stream": stream}
    answer = respond(customer, live_gateway, **asked)
    assert answer.headers["x-ignored-parameters"] == "reasoning.summary"
