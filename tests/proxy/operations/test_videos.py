"""Video: what is held for it, and how the upstream is asked."""

from __future__ import annotations

from typing import Any

import pytest

from billing.values.orders import CREDIT
from proxy.calls.call import Incoming
from proxy.operations import videos
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, error_json

PATH = "/videos/generations"
SECOND = 20  # credits, by the tariff
MODEL = "fal-ai/minimax/hailuo-02/standard/text-to-video"


@pytest.mark.parametrize(
    ("fields", "credits"),
    [
        ({}, 5 * SECOND),
        ({"duration_seconds": 10}, 10 * SECOND),
        ({"duration_seconds": 1.0001}, SECOND + 1),
        ({"resolution": "1080p"}, 10 * SECOND),
        ({"resolution": "4k", "fps": 60}, 5 * SECOND * 4 * 3 // 2),
        ({"fps": 60.0}, 5 * SECOND * 3 // 2),
        ({"fps": 30, "resolution": "720p", "aspect_ratio": "9:16"}, 5 * SECOND),
        (
            {"seed": None, "source_image": None, "negative_prompt": None, "loop": None},
            5 * SECOND,
        ),
    ],
)
def test_length_resolution_and_frames_are_held(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    fields: dict[str, Any],
    credits: int,
) -> None:
    upstream.on(path=PATH, reply=error_json(400))
    customer.http(live_gateway).post(PATH, json={"prompt": "a cat", **fields})

    [entry], [hold] = upstream.journal, customer.wait_over()
    assert (hold.operation, hold.model) == ("videos.generations", MODEL)
    assert (hold.amount_micros, hold.state) == (credits * CREDIT, "released")
    assert entry.query == {"async": ["true"]}
    assert entry.body == {
        "prompt": "a cat",
        "model": MODEL,
        "duration_seconds": 5,
        "resolution": "720p",
        "fps": 30,
        **{name: value for name, value in fields.items() if value is not None},
    }


@pytest.mark.parametrize(
    ("said", "mode"),
    [
        *((said, "job") for said in (None, "true", "True", "1", "yes")),
        *((said, "awaited") for said in ("false", "FALSE", "0", "no")),
    ],
)
def test_async_decides_who_waits_and_never_how_the_upstream_is_asked(
    said: str | None, mode: str
) -> None:
    query = {} if said is None else {"async": said}
    call = videos.read(Incoming({"prompt": "a cat", "model": "m"}, query))

    assert (call.mode, call.path) == (mode, f"{PATH}?async=true")
    assert call.least == call.most


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"resolution": "8k"}, "resolution", "720p, 1080p, 4k"),
    ({"fps": 24}, "fps", "30, 60"),
    ({"fps": "60"}, "fps", ""),
    ({"aspect_ratio": "2:1"}, "aspect_ratio", "16:9, 9:16, 1:1, 4:3, 3:4"),
    ({"mode": "x"}, "mode", "text_to_video, image_to_video, video_to_video"),
    ({"duration_seconds": 0.5}, "duration_seconds", "1"),
    ({"duration_seconds": 10.001}, "duration_seconds", "10"),
    ({"duration_seconds": "5"}, "duration_seconds", ""),
    ({"duration_seconds": True}, "duration_seconds", ""),
    ({"stream": True}, "stream", ""),
    ({"source_image": "file:///etc/passwd"}, "source_image", "https"),
    ({"source_video": "a.mp4"}, "source_video", "https"),
    ({"model": "a\nb"}, "model", ""),
    ({"callback_url": "https://example.com"}, "callback_url", ""),
]


@pytest.mark.once
def test_what_the_upstream_cannot_do_is_refused_with_what_it_can(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    http = customer.http(live_gateway)
    for fields, param, told in REFUSED:
        reply = http.post(PATH, json={"prompt": "a cat", **fields})
        assert reply.status_code == 400, fields
        error = reply.json()["error"]
        assert_refusal(reply, 400, error["code"])
        assert (error["param"], told in error["message"]) == (param, True), error
    for said in ("maybe", "", "2"):
        reply = http.post(f"{PATH}?async={said}", json={"prompt": "a cat"})
        assert_refusal(reply, 400, "invalid_request")
        assert reply.json()["error"]["param"] == "async"
    assert_nothing_happened(customer, upstream)
