"""Images: OpenAI's dialect and the upstream's own, held by size and number."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from billing.values.orders import CREDIT
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, images_json

PATH = "/images/generations"
ELSEWHERE = "https://10.0.0.1/a.png"  # not public: nobody is asked
# What the tariff says of the contract's default model, and of every other.
FLUX, ANY = 10, 25


def test_the_sdk_gets_addresses_and_pays_what_the_upstream_charged(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(path=PATH, reply=images_json(ELSEWHERE, credits=9))
    raw = customer.openai(live_gateway).images.with_raw_response
    reply = raw.generate(prompt="a cat", size="1024x1024", n=1, response_format="url")
    images = reply.parse()

    [entry], [hold], [record] = upstream.journal, customer.holds(), customer.records()
    assert images.data is not None
    assert [image.url for image in images.data] == [ELSEWHERE]
    assert images.data[0].revised_prompt == "a cat"
    assert entry.body == {
        "prompt": "a cat",
        "size": "1024x1024",
        "n": 1,
        "model": "fal-ai/flux/dev",
    }
    assert hold.amount_micros == FLUX * CREDIT
    assert record.charged_micros == 9 * CREDIT == upstream.total_credits() * CREDIT
    assert reply.headers["x-credits-charged"] == "9"


@pytest.mark.parametrize(
    ("fields", "credits"),
    [
        ({}, FLUX),
        ({"size": "auto"}, FLUX),
        ({"n": 10}, 10 * FLUX),
        ({"n": 3.0}, 3 * FLUX),
        ({"size": "512x512"}, FLUX // 2),
        ({"size": "1792x1024", "n": 2}, 4 * FLUX),
        ({"size": "1024x1792", "upscale": "4x", "n": 2}, 16 * FLUX),
        ({"upscale": "2x", "model": "other"}, 2 * ANY),
        ({"upscale": None, "seed": None, "n": None, "size": None}, FLUX),
    ],
)
def test_what_is_asked_is_held_and_without_a_report_charged(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    fields: dict[str, Any],
    credits: int,
) -> None:
    urls = [ELSEWHERE] * int(fields.get("n") or 1)
    upstream.on(path=PATH, reply=images_json(*urls, usage=None))
    reply = customer.http(live_gateway).post(PATH, json={"prompt": "a", **fields})

    [entry], [hold], [record] = upstream.journal, customer.holds(), customer.records()
    assert reply.status_code == 200
    assert hold.amount_micros == record.charged_micros == credits * CREDIT
    assert reply.json()["usage"]["credits_used"] == credits
    assert None not in entry.body.values()
    assert entry.body["size"] in ("512x512", "1024x1024", "1792x1024", "1024x1792")


@pytest.mark.once
def test_fewer_images_than_asked_cost_less_where_nobody_reports(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(path=PATH, reply=images_json(ELSEWHERE, usage=None))
    customer.http(live_gateway).post(PATH, json={"prompt": "a cat", "n": 4})

    [hold], [record] = customer.holds(), customer.records()
    assert hold.amount_micros == 4 * FLUX * CREDIT
    assert record.charged_micros == FLUX * CREDIT


@pytest.mark.once
def test_what_only_openai_has_stays_here_and_the_upstreams_own_goes_on(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    own = {"negative_prompt": "dogs", "seed": 7, "style": "natural"}
    upstream.on(path=PATH, reply=images_json(ELSEWHERE))
    reply = customer.openai(live_gateway).images.with_raw_response.generate(
        prompt="a cat",
        quality="hd",
        background="auto",
        output_format="png",
        output_compression=50,
        moderation="low",
        user="u-1",
        stream=False,
        extra_body=own,
    )

    [entry] = upstream.journal
    assert entry.body == {
        "prompt": "a cat",
        "model": "fal-ai/flux/dev",
        "size": "1024x1024",
        "n": 1,
        **own,
    }
    ignored = "quality, output_format, output_compression, moderation"
    assert reply.headers["x-ignored-parameters"] == ignored


REFUSED: list[tuple[dict[str, Any], str | None, str]] = [
    ({"size": "256x256"}, "size", "512x512, 1024x1024, 1792x1024, 1024x1792"),
    ({"upscale": "8x"}, "upscale", "2x, 4x"),
    ({"style": "loud"}, "style", "vivid, natural"),
    ({"response_format": "png"}, "response_format", "url, b64_json"),
    ({"n": 0}, "n", ""),
    ({"n": 11}, "n", "10"),
    ({"n": 1.5}, "n", ""),
    ({"n": True}, "n", ""),
    ({"stream": True}, "stream", ""),
    ({"stream": "true"}, "stream", ""),
    ({"partial_images": 2}, "partial_images", ""),
    ({"prompt": "x" * 4001}, "prompt", "4000"),
    ({"prompt": None}, None, "prompt"),
    ({"model": ""}, "model", ""),
    ({"api_base": "https://example.com"}, "api_base", ""),
    ({"webhook_url": "https://example.com"}, "webhook_url", ""),
]


@pytest.mark.once
def test_what_the_upstream_cannot_do_is_refused_with_what_it_can(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    for fields, param, told in REFUSED:
        reply = customer.http(live_gateway).post(PATH, json={"prompt": "a", **fields})
        assert reply.status_code == 400, fields
        assert_refusal(reply, 400, reply.json()["error"]["code"])
        assert reply.json()["error"]["param"] == param, fields
        assert told in reply.json()["error"]["message"], fields
    assert_nothing_happened(customer, upstream)


@pytest.mark.once
def test_the_sdk_is_refused_a_stream_it_would_read_as_empty(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        customer.openai(live_gateway).images.generate(prompt="a cat", stream=True)

    assert (caught.value.code, caught.value.param) == (
        "unsupported_parameter",
        "stream",
    )
    assert_nothing_happened(customer, upstream)


@pytest.mark.once
def test_async_is_a_job_and_cannot_hold_bytes(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    http = customer.http(live_gateway)
    body = {"prompt": "a cat", "response_format": "b64_json"}
    reply = http.post(f"{PATH}?async=true", json=body)
    assert_refusal(reply, 400, "unsupported_parameter")
    assert_refusal(
        http.post(f"{PATH}?async=maybe", json={"prompt": "a"}), 400, "invalid_request"
    )
    assert_nothing_happened(customer, upstream)
