"""Chat messages in OpenAI's newer shapes, as the upstream takes them."""

from __future__ import annotations

from typing import Any

import pytest

from billing.models import Tariff
from billing.values.orders import CREDIT
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, chat_json

URL = "https://files.example.com/cat.png"
DATA = "data:image/png;base64," + "iVBORw0KGgo=" * 200


def image(url: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, "detail": "low"}}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def test_parts_become_a_text_and_images_that_are_held_by_number(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    rates = Tariff.objects.get(operation="chat.completions", model="*")
    upstream.on(model="m", reply=chat_json(credits=5))
    content: Any = [text("What is"), image(URL), text("this?"), image(DATA)]
    completion = customer.openai(live_gateway).chat.completions.create(
        model="m", messages=[{"role": "user", "content": content}], max_tokens=100
    )

    [entry], [hold], [record] = upstream.journal, customer.holds(), customer.records()
    assert completion.choices[0].message.content == "Hello world"
    assert entry.body["messages"] == [
        {"role": "user", "content": "What is\nthis?", "images": [URL, DATA]}
    ]
    text_bytes = len(entry.raw_body) - len(URL) - len(DATA)
    exact = (
        rates.base_micros
        + (text_bytes + 16) * rates.prompt_token_micros
        + 100 * rates.completion_token_micros
        + 2 * rates.image_micros
    )
    assert hold.amount_micros == -(-exact // CREDIT) * CREDIT
    assert record.charged_micros == 5 * CREDIT


@pytest.mark.once
@pytest.mark.parametrize(
    ("sent", "forwarded"),
    [
        ({"role": "developer", "content": "a"}, {"role": "system", "content": "a"}),
        ({"role": "user", "content": [text("a")]}, {"role": "user", "content": "a"}),
        ({"role": "user", "content": []}, {"role": "user", "content": ""}),
        (
            {"role": "user", "content": [image(URL)], "images": [DATA]},
            {"role": "user", "content": "", "images": [DATA, URL]},
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": URL}]},
            {"role": "user", "content": "", "images": [URL]},
        ),
        (
            {"role": "user", "content": "a", "images": None, "name": "n"},
            {"role": "user", "content": "a", "name": "n"},
        ),
        (
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]},
        ),
        (
            {"role": "assistant", "tool_calls": [{"id": "1"}]},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]},
        ),
        (
            {"role": "assistant", "function_call": {"name": "f"}},
            {"role": "assistant", "content": "", "function_call": {"name": "f"}},
        ),
    ],
)
def test_each_shape_of_a_message_is_made_the_upstreams(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    sent: dict[str, Any],
    forwarded: dict[str, Any],
) -> None:
    assert customer.chat(live_gateway, messages=[sent]).status_code == 200

    [entry] = upstream.journal
    assert entry.body["messages"] == [forwarded]


@pytest.mark.once
def test_null_is_the_default(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    names = ("stream", "n", "max_tokens", "max_completion_tokens", "temperature")
    more = ("stream_options", "tools", "stop", "web_search", "response_format")
    reply = customer.chat(live_gateway, "m", **dict.fromkeys((*names, *more)))

    [entry] = upstream.journal
    assert reply.headers["content-type"] == "application/json"
    assert entry.body == {"model": "m", "messages": SAY_HI, "max_tokens": 2048}


def parts(*given: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(given)}


REFUSED: list[tuple[dict[str, Any], str, str, str]] = [
    (
        parts(text("a"), {"type": "input_audio", "input_audio": {}}),
        "messages.0.content.1",
        "unsupported_content",
        "input_audio",
    ),
    (parts({"type": "file"}), "messages.0.content.0", "unsupported_content", "file"),
    (parts({"type": 7}), "messages.0.content.0", "invalid_request", "text"),
    (parts({"text": "a"}), "messages.0.content.0", "invalid_request", "text"),
    (
        parts({"type": "text", "text": 7}),
        "messages.0.content.0",
        "invalid_request",
        "text",
    ),
    (parts(image(None)), "messages.0.content.0", "invalid_request", "https"),
    (parts(image(7)), "messages.0.content.0", "invalid_request", "https"),
    (parts(image("file:///a")), "messages.0.content.0", "invalid_request", "https"),
    (
        parts(image("data:text/html;base64,AA")),
        "messages.0.content.0",
        "invalid_request",
        "data:image/",
    ),
    (
        {"role": "user", "content": "a", "images": ["a secret text"]},
        "messages.0.images.0",
        "invalid_request",
        "https",
    ),
    (
        {"role": "user", "content": "a", "images": [None]},
        "messages.0.images.0",
        "invalid_request",
        "https",
    ),
    (
        {"role": "god", "content": "a"},
        "messages.0.role",
        "invalid_request",
        "system, user, assistant",
    ),
]


@pytest.mark.once
def test_what_the_upstream_cannot_read_is_refused_by_name(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    for message, param, code, told in REFUSED:
        reply = customer.chat(live_gateway, messages=[message])
        assert_refusal(reply, 400, code)
        error = reply.json()["error"]
        assert (error["param"], told in error["message"]) == (param, True), error
        assert "secret" not in error["message"]
    assert_nothing_happened(customer, upstream)
