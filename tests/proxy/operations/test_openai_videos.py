"""`client.videos.create`: OpenAI's words for a video, and what the upstream gets."""

from __future__ import annotations

import base64
from typing import Any

import openai
import pytest

from billing.values.orders import CREDIT
from proxy.operations import openai_videos
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.gateway.video_jobs import VideoJob
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, error_json, json_reply

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")

PATH = "/videos"
UPSTREAM = "/videos/generations"
SECOND = 20  # credits, by the tariff
MODEL = "fal-ai/minimax/hailuo-02/standard/text-to-video"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
PNG_URI = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
ADDRESS = "https://files.example.com/cat.png"
# What OpenAI's SDK documents for fields that are left out.
PLAIN = {
    "prompt": "a cat",
    "model": MODEL,
    "duration_seconds": 4,
    "resolution": "720p",
    "aspect_ratio": "9:16",
    "fps": 30,
}


@pytest.mark.parametrize(
    ("fields", "sent", "credits"),
    [
        ({}, {}, 4 * SECOND),
        ({"seconds": "8"}, {"duration_seconds": 8}, 8 * SECOND),
        ({"size": "1280x720"}, {"aspect_ratio": "16:9"}, 4 * SECOND),
        (
            {"size": "1080x1920", "seconds": "10"},
            {"resolution": "1080p", "duration_seconds": 10},
            10 * SECOND * 2,
        ),
        (
            {"size": "2160x2160"},
            {"resolution": "4k", "aspect_ratio": "1:1"},
            4 * SECOND * 4,
        ),
        ({"model": "m"}, {"model": "m"}, 4 * SECOND),
    ],
)
def test_the_sdks_words_become_the_contracts(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    fields: dict[str, Any],
    sent: dict[str, Any],
    credits: int,
) -> None:
    upstream.on(path=UPSTREAM, reply=error_json(400))
    with pytest.raises(openai.BadRequestError):
        customer.openai(live_gateway).videos.create(prompt="a cat", **fields)

    [entry], [hold] = upstream.journal, customer.wait_over()
    assert (entry.path, entry.query) == (f"/api/v1{UPSTREAM}", {"async": ["true"]})
    assert entry.headers["content-type"] == "application/json"
    assert entry.body == {**PLAIN, **sent}
    assert (hold.operation, hold.state) == ("videos.generations", "released")
    assert hold.amount_micros == credits * CREDIT


@pytest.mark.once
def test_the_contracts_own_fields_may_be_given_besides(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    own = {
        "resolution": "4k",
        "duration_seconds": 2.5,
        "fps": 60,
        "seed": 7,
        "loop": True,
        "negative_prompt": "dogs",
    }
    customer.openai(live_gateway).videos.create(
        prompt="a cat", extra_body={**own, "user": "u-1"}
    )
    customer.http(live_gateway).post(PATH, json={"prompt": "a cat", **own})

    for entry in upstream.journal:
        # Half of a size is the contract's: so is the other half, which it leaves out.
        assert entry.body == {"prompt": "a cat", "model": MODEL, **own}
    assert len(upstream.journal) == 2
    assert {hold.amount_micros for hold in customer.holds()} == {300 * CREDIT}


@pytest.mark.once
def test_a_reference_in_any_of_its_shapes_is_what_the_video_begins_with(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    http, videos = customer.http(live_gateway), customer.openai(live_gateway).videos
    videos.create(prompt="a cat", input_reference=("a.bin", PNG))
    videos.create(prompt="a cat", extra_body={"input_reference": ADDRESS})
    videos.create(
        prompt="a cat", extra_body={"input_reference": {"image_url": ADDRESS}}
    )
    for reference in (ADDRESS, {"image_url": ADDRESS}, [{"image_url": PNG_URI}]):
        body = {"prompt": "a cat", "input_reference": reference}
        assert http.post(PATH, json=body).status_code == 200

    made = [entry.body["source_image"] for entry in upstream.journal]
    assert made == [PNG_URI, ADDRESS, ADDRESS, ADDRESS, ADDRESS, PNG_URI]
    for entry in upstream.journal:
        rest = {"mode": "image_to_video", "source_image": entry.body["source_image"]}
        assert entry.body == {**PLAIN, **rest}


@pytest.mark.once
def test_every_size_that_the_contract_has_is_known_by_its_pixels() -> None:
    assert len(openai_videos.SIZES) == 15
    assert openai_videos.SIZES["3840x2160"] == {
        "resolution": "4k",
        "aspect_ratio": "16:9",
    }
    assert openai_videos.SIZES["720x960"] == {
        "resolution": "720p",
        "aspect_ratio": "3:4",
    }


NO_SECONDS: list[Any] = ["", "0", "four", "4s", True, [4], 10.5, {}, 10**30]
NO_SIZES: list[Any] = ["", "auto", "720p", "720X1280", 720, ["720x1280"], "1x1"]
NO_PICTURES: list[Any] = ["", 7, [], {}, "file:///etc/passwd", [ADDRESS, ADDRESS]]
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"seconds": "12"}, "seconds", "from 1 to 10"),
    *(({"seconds": seconds}, "seconds", "from 1 to 10") for seconds in NO_SECONDS),
    ({"size": "1024x1792"}, "size", "720x1280, "),
    *(({"size": size}, "size", "1280x720, ") for size in NO_SIZES),
    ({"seconds": 4, "duration_seconds": 4}, "seconds", "duration_seconds"),
    ({"size": "1280x720", "resolution": "4k"}, "size", "resolution"),
    ({"size": "1280x720", "aspect_ratio": "1:1"}, "size", "aspect_ratio"),
    ({"resolution": "8k"}, "resolution", "720p, 1080p, 4k"),
    ({"duration_seconds": 11}, "duration_seconds", "10"),
    ({"fps": 24}, "fps", "30, 60"),
    *(({"input_reference": each}, "input_reference", "") for each in NO_PICTURES),
    ({"input_reference": {"file_id": "file_1"}}, "input_reference", "not kept"),
    ({"input_reference": {"image_url": None}}, "input_reference", "http"),
    (
        {"input_reference": ADDRESS, "source_image": ADDRESS},
        "input_reference",
        "source_image",
    ),
    ({"stream": True}, "stream", "one piece"),
    ({"prompt": 7}, "prompt", "string"),
    ({"model": "a\nb"}, "model", "printable"),
    ({"api_base": "https://example.com"}, "api_base", "It takes"),
]


@pytest.mark.once
def test_what_cannot_be_made_is_refused_with_what_can(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    http = customer.http(live_gateway)
    for fields, param, told in REFUSED:
        reply = http.post(PATH, json={"prompt": "a cat", **fields})
        assert reply.status_code == 400, (fields, reply.text)
        error = reply.json()["error"]
        assert_refusal(reply, 400, error["code"])
        assert (error["param"], told in error["message"]) == (param, True), error
    assert_refusal(http.post(PATH, json={"seconds": "4"}), 400, "invalid_request")
    waited = http.post(f"{PATH}?async=false", json={"prompt": "a cat"})
    assert "/v1/videos/generations?async=false" in waited.json()["error"]["message"]
    assert_refusal(waited, 400, "invalid_request")
    assert_nothing_happened(customer, upstream)


FILE = ("a.png", PNG)


@pytest.mark.once
@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ([("input_reference", ("a.mp4", b"\0\0\0 ftypisom"))], "input_reference"),
        ([("input_reference", ("a.png", b""))], "input_reference"),
        ([("input_reference", FILE), ("input_reference", FILE)], "input_reference"),
        (
            [
                ("input_reference", FILE),
                ("input_reference[image_url]", (None, ADDRESS)),
            ],
            "input_reference",
        ),
        ([("input_reference[file_id]", (None, "file_1"))], "input_reference"),
        ([("video", FILE)], "video"),
        ([("seconds", FILE)], "seconds"),
        ([("seconds", (None, "4")), ("seconds", (None, "8"))], "seconds"),
        ([("size", FILE)], "size"),
        ([("model", FILE)], "model"),
    ],
)
def test_forms_that_make_no_video_are_refused_by_name(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    parts: list[tuple[str, Any]],
    param: str,
) -> None:
    files = [("prompt", (None, "a cat")), *parts]
    reply = customer.http(live_gateway).post(PATH, files=files)

    assert_refusal(reply, 400, "invalid_request")
    assert reply.json()["error"]["param"] == param
    assert_nothing_happened(customer, upstream)


@pytest.mark.usefixtures("clean_ledger")
def test_one_order_that_is_sent_again_is_one_video(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream, credits=7)
    videos = customer.openai(live_gateway).videos
    key = {"idempotency-key": "video-1"}
    order: Any = {
        "prompt": "a cat",
        "model": video_job.model,
        "input_reference": FILE,
    }
    # Each attempt has a boundary of its own.
    first, second = (videos.create(**order, extra_headers=key) for _ in range(2))

    assert first == second
    assert len(upstream.journal) == len(customer.holds()) == 1


@pytest.mark.once
def test_a_quote_by_either_name_is_the_hold(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    http = customer.http(live_gateway)
    body = {"prompt": "a cat", "seconds": "8", "size": "1080x1920"}
    quoted = http.post("/quote", json={"operation": "videos", "request": body}).json()
    native = {"prompt": "a cat", "duration_seconds": 8, "resolution": "1080p"}
    asked = {"operation": "videos.generations", "request": native}

    assert quoted == http.post("/quote", json=asked).json()
    made = http.post(PATH, json=body)
    assert quoted["operation"] == "videos.generations"
    assert made.headers["x-credits-held"] == quoted["hold"] == str(8 * SECOND * 2)
    unknown = http.post("/quote", json={"operation": "movies", "request": body})
    assert unknown.json()["error"]["message"].count("videos.generations") == 1


@pytest.mark.once
def test_a_finished_video_instead_of_a_job_is_charged_and_its_address_named(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    done = {"data": {"url": ADDRESS}, "usage": {"credits_used": 8}}
    upstream.on(model="m", reply=json_reply(done, credits=8))
    videos = customer.openai(live_gateway, max_retries=2).videos
    with pytest.raises(openai.InternalServerError) as failed:
        videos.create(prompt="a cat", model="m")

    assert failed.value.code == "upstream_no_job"
    assert isinstance(failed.value.body, dict)
    assert failed.value.body["metadata"] == {"urls": [ADDRESS]}
    assert failed.value.response.headers["x-credits-charged"] == "8"
    assert customer.charged_credits() == upstream.total_credits() == 8
