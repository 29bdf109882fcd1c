"""Whose video it is, and what OpenAI's `client.videos` has and this gateway has not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import openai
import pytest

from tests.proxy.conftest import Customers
from tests.proxy.jobs.test_jobs_strangers import asked
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.gateway.video_jobs import VideoJob
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream

pytestmark = [
    pytest.mark.once,
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]

TAILS = ("", "/content", "/content?variant=video", "?poll=true")


def unknown(gateway: Gateway, secret: str, tail: str = "") -> bytes:
    return asked(gateway, secret, f"/v1/videos/video_{uuid4().hex}{tail}")


def test_strangers_learn_nothing(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, customers: Customers
) -> None:
    job = VideoJob(upstream).ordered(customer, live_gateway)
    path, stranger = f"/v1/videos/video_{job.id.hex}", customers()
    assert b" 200 ok" in asked(live_gateway, customer.secret, path)
    assert b" 409 conflict" in asked(live_gateway, customer.secret, f"{path}/content")
    upstream.reset()

    job_unknown = asked(live_gateway, stranger.secret, f"/v1/jobs/job_{uuid4().hex}")
    assert b" 404 not found" in job_unknown
    for tail in TAILS:
        foreign = asked(live_gateway, stranger.secret, path + tail)
        assert foreign == unknown(live_gateway, stranger.secret, tail) == job_unknown
    assert len(upstream.journal) == 0


def test_only_videos_are_videos(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream)
    http = customer.http(live_gateway)
    body = {"prompt": "A waltz", "model": video_job.model}
    tune = http.post("/music/generations", json=body).json()["id"]
    assert http.get(f"/jobs/{tune}").status_code == 200
    upstream.reset()

    nothing = unknown(live_gateway, customer.secret)
    for tail in TAILS:
        path = f"/v1/videos/video_{tune.removeprefix('job_')}{tail}"
        assert asked(live_gateway, customer.secret, path) == nothing
    assert len(upstream.journal) == 0


def test_what_is_no_id_is_a_video_that_does_not_exist(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream)
    job = video_job.ordered(customer, live_gateway)
    video_id = f"video_{job.id.hex}"
    upstream.reset()
    tricks = [
        "video_",
        f"video_{video_job.upstream_id}",
        f"video_{job.id.hex.upper()}0",
        f"video_{job.id}",
        f"video_{job.public_id}",
        f"{video_id}/",
        f"{video_id}%00",
        f"{video_id}%0a",
        f"{video_id}%2f",
        f"{video_id}%3fpoll=true",
        f"{video_id}/../{video_id}",
        f"{video_id}%2f..%2f..%2fmodels",
        f"{video_id}/content/content",
        f"{video_id}/content/",
        "video_" + "0" * 33,
        "video_" + "x" * 32,
        "video_" + "0" * 5000,
        "video_%f0%9f%8e%ac",
        "video_%ff",
    ]
    nothing = unknown(live_gateway, customer.secret)
    for trick in tricks:
        for tail in ("", "/content"):
            if f"{trick}{tail}" != f"{video_id}/content":
                path = f"/v1/videos/{trick}{tail}"
                assert asked(live_gateway, customer.secret, path) == nothing, path
    for path in (job.public_id, f"..%2fjobs%2f{job.public_id}", video_id.upper(), "x"):
        reply = customer.http(live_gateway).get(f"/videos/{path}")
        assert_refusal(reply, 404, "unsupported_endpoint")
    assert len(upstream.journal) == 0


def test_without_a_good_key_there_is_no_answer(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    job = VideoJob(upstream).ordered(customer, live_gateway)
    url = f"{live_gateway.base_url}/videos/video_{job.id.hex}"

    for asked_for in (url, f"{url}/content"):
        assert_refusal(httpx.get(asked_for), 401, "missing_api_key")


VIDEO_ID = f"video_{uuid4().hex}"
FILE = ("a.mp4", b"mp4")
ABSENT: dict[str, Callable[[openai.OpenAI], Any]] = {
    "list": lambda c: c.videos.list(),
    "delete": lambda c: c.videos.delete(VIDEO_ID),
    "remix": lambda c: c.videos.remix(VIDEO_ID, prompt="a dog"),
    "edit": lambda c: c.videos.edit(prompt="a dog", video=FILE),
    "extend": lambda c: c.videos.extend(prompt="a dog", seconds="4", video=FILE),
    "create_character": lambda c: c.videos.create_character(name="cat", video=FILE),
    "get_character": lambda c: c.videos.get_character("char_1"),
}


@pytest.mark.parametrize("method", ABSENT)
def test_what_openai_has_besides_is_told_what_there_is(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, method: str
) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        ABSENT[method](customer.openai(live_gateway, max_retries=2))

    assert refused.value.code == "unsupported_endpoint"
    assert refused.value.request.headers["x-stainless-retry-count"] == "0"
    for cure in ("POST /v1/videos or", "GET /v1/videos/<id>/content", "no deletion"):
        assert cure in refused.value.message
    assert_nothing_happened(customer, upstream)


def test_the_contracts_own_route_still_names_its_method(
    live_gateway: Gateway, customer: Customer
) -> None:
    reply = customer.http(live_gateway).get("/videos/generations")

    assert_refusal(reply, 405, "method_not_allowed")
    assert reply.headers["allow"] == "POST"
