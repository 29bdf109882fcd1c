"""Images: OpenAI's dialect and the upstream's own, held by size and number, and files
put into the answer where the client asked for bytes."""

from __future__ import annotations

import base64
from typing import Any

import openai
import pytest

from billing.orders import CREDIT
from tests.proxy.customers import Customer
from tests.proxy.refused import assert_nothing_happened, assert_refusal
from tests.services.gateway import Gateway
from tests.upstream import Upstream, file_reply, images_json, redirect

PATH = "/images/generations"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 400
ELSEWHERE = "https://files.example.com/a.png"
# What the tariff says of the contract's default model, and of every other.
FLUX, ANY = 10, 25


@pytest.fixture
def pictures(upstream: Upstream) -> list[str]:
    """The addresses of two files that the upstream has."""
    upstream.on(path="/a.png", reply=file_reply(PICTURE, "image/png"))
    upstream.on(path="/b.png", reply=file_reply(PICTURE[::-1], "image/png"))
    return [f"{upstream.url}/a.png", f"{upstream.url}/b.png"]


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
