"""Images as they are answered: addresses, bytes or both, and OpenAI's usage."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from billing.values.orders import CREDIT
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, file_reply, images_json, redirect

PATH = "/images/generations"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 400
ELSEWHERE = "https://10.0.0.1/a.png"  # not public: nobody is asked


@pytest.fixture
def pictures(upstream: Upstream) -> list[str]:
    """The addresses of two files that the upstream has."""
    upstream.on(path="/a.png", reply=file_reply(PICTURE, "image/png"))
    upstream.on(path="/b.png", reply=file_reply(PICTURE[::-1], "image/png"))
    return [f"{upstream.url}/a.png", f"{upstream.url}/b.png"]


def test_b64_json_is_fetched_and_put_in(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, pictures: list[str]
) -> None:
    upstream.on(path=PATH, reply=images_json(*pictures, credits=20))
    images = customer.openai(live_gateway).images.generate(
        prompt="a cat", n=2, response_format="b64_json"
    )

    assert images.data is not None
    contents = [base64.b64decode(image.b64_json or "") for image in images.data]
    assert contents == [PICTURE, PICTURE[::-1]]
    assert [image.url for image in images.data] == [None, None]
    [record] = customer.records()
    assert record.charged_micros == 20 * CREDIT
    _call, *fetched = upstream.journal
    assert [entry.path for entry in fetched] == ["/api/v1/a.png", "/api/v1/b.png"]
    for entry in fetched:
        assert "authorization" not in entry.headers
        assert entry.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
def test_both_are_the_answer_to_those_who_do_not_say(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    pictures: list[str],
    accept: str,
) -> None:
    upstream.on(path=PATH, reply=images_json(*pictures, credits=20))
    reply = customer.http(live_gateway).post(
        PATH, json={"prompt": "a cat", "n": 2}, headers={"accept": accept}
    )

    data = reply.json()["data"]
    assert [item["url"] for item in data] == pictures
    contents = [base64.b64decode(item["b64_json"]) for item in data]
    assert contents == [PICTURE, PICTURE[::-1]]


@pytest.mark.once
def test_the_addresses_alone_are_given_where_one_cannot_be_fetched(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, pictures: list[str]
) -> None:
    upstream.on(path=PATH, reply=images_json(pictures[0], ELSEWHERE, credits=20))
    images = customer.openai(live_gateway).images.generate(prompt="a cat", n=2)

    shown = [(image.url, image.b64_json) for image in images.data or []]
    assert shown == [(pictures[0], None), (ELSEWHERE, None)]
    assert customer.charged_credits() == 20


@pytest.mark.parametrize("format_", [{}, {"response_format": "url"}])
@pytest.mark.parametrize(
    ("said", "numbers"),
    [
        (None, (0, 0, 0, 0, 0)),
        ({"credits_used": 9, "total_tokens": None}, (0, 0, 0, 0, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 7}, (5, 7, 12, 5, 0)),
        (
            {
                "input_tokens": 5,
                "output_tokens": 7,
                "total_tokens": 13,
                "input_tokens_details": {"text_tokens": 2, "image_tokens": 3},
            },
            (5, 7, 13, 2, 3),
        ),
        ({"input_tokens": "5", "input_tokens_details": [1]}, (0, 0, 0, 0, 0)),
    ],
)
def test_usage_has_openais_numbers_beside_the_credits(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    format_: dict[str, Any],
    said: Any,
    numbers: tuple[int, ...],
) -> None:
    upstream.on(path=PATH, reply=images_json(ELSEWHERE, usage=said))
    images = customer.openai(live_gateway).images.generate(prompt="a", **format_)

    usage = images.usage
    assert usage is not None
    details = usage.input_tokens_details
    told = (usage.input_tokens, usage.output_tokens, usage.total_tokens)
    assert (*told, details.text_tokens, details.image_tokens) == numbers
    assert (usage.model_extra or {})["credits_used"] == customer.charged_credits()


def test_a_file_inside_the_answer_needs_no_fetching(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    inside = "data:image/png;base64," + base64.b64encode(PICTURE).decode()
    upstream.on(path=PATH, reply=images_json(inside))
    reply = customer.http(live_gateway).post(
        PATH, json={"prompt": "a cat", "response_format": "b64_json"}
    )

    [item] = reply.json()["data"]
    assert base64.b64decode(item["b64_json"]) == PICTURE
    assert "url" not in item


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/a.png", "port_not_allowed"),
        ("http://169.254.169.254/latest/meta-data", "address_not_public"),
        ("{upstream}/gone.png", "status_302"),
        ("{upstream}/cut.png", "cut"),
        ("ftp://example.com/a.png", "bad_scheme"),
    ],
)
def test_what_cannot_be_fetched_is_told_with_its_address(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    url: str,
    reason: str,
) -> None:
    url = url.format(upstream=upstream.url)
    upstream.on(path="/gone.png", reply=redirect(f"{upstream.url}/canary"))
    cut = file_reply(PICTURE, "image/png").cut_after_bytes(1000)
    upstream.on(path="/cut.png", reply=cut)
    upstream.on(path=PATH, reply=images_json(url, credits=7))
    reply = customer.http(live_gateway).post(
        PATH, json={"prompt": "a cat", "response_format": "b64_json"}
    )

    assert_refusal(reply, 502, "media_unavailable")
    assert reply.headers["x-should-retry"] == "false"
    assert reply.json()["error"]["metadata"] == {"reason": reason, "urls": [url]}
    assert reply.headers["x-credits-charged"] == "7"
    [record] = customer.records()
    assert record.charged_micros == 7 * CREDIT
    assert not [entry for entry in upstream.journal if entry.path.endswith("/canary")]
