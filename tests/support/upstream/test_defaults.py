"""With nothing scripted the upstream is healthy and keeps to its contract."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.support.upstream import Upstream
from tests.support.upstream.conftest import Ask


def test_a_chat_call_costs_three_credits(upstream: Upstream, ask: Ask) -> None:
    reply = ask()

    assert reply.json()["usage"]["credits_used"] == 3
    assert upstream.total_credits() == 3
    assert reply.headers["x-request-id"] == upstream.journal.last.id


def test_the_prompt_may_name_the_price(upstream: Upstream, ask: Ask) -> None:
    assert ask(prompt="credits=7").json()["usage"]["credits_used"] == 7
    assert upstream.total_credits() == 7


@pytest.mark.parametrize(
    ("options", "usages"), [({}, 0), ({"stream_options": {"include_usage": True}}, 1)]
)
def test_a_stream_tells_its_usage_only_when_asked(
    ask: Ask, options: dict[str, object], usages: int
) -> None:
    reply = ask(stream=True, **options)

    events = reply.text.strip().split("\n\n")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-1]]
    assert reply.headers["content-type"] == "text/event-stream"
    assert events[-1] == "data: [DONE]"
    assert sum("usage" in chunk for chunk in chunks) == usages


@pytest.mark.parametrize(
    ("given", "vectors", "tokens", "credits"),
    [
        ("abcde", 1, 2, 1),
        (["a", "b" * 8], 2, 3, 1),
        ([1, 2, 3, 4], 1, 1, 1),
        (["x" * 8000], 1, 2000, 2),
    ],
)
def test_embeddings_name_tokens_and_never_credits(
    upstream: Upstream,
    http: httpx.Client,
    given: object,
    vectors: int,
    tokens: int,
    credits: int,
) -> None:
    body = http.post("/embeddings", json={"input": given}).json()

    assert [len(item["embedding"]) for item in body["data"]] == [8] * vectors
    assert body["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert upstream.total_credits() == credits


def test_media_point_to_files_that_can_be_fetched(http: httpx.Client) -> None:
    body = http.post("/images/generations", json={"prompt": "a cat", "n": 2}).json()

    picture = httpx.get(body["data"][1]["url"])
    assert len(body["data"]) == 2
    assert picture.content.startswith(b"\x89PNG")


def test_an_asynchronous_job_costs_what_its_status_says(
    upstream: Upstream, http: httpx.Client
) -> None:
    order = {"prompt": "a video, credits=40"}
    job = http.post("/videos/generations?async=true", json=order).json()
    status = http.get(f"/jobs/{job['id']}").json()

    assert (job["status"], job["estimated_credits"]) == ("pending", 40)
    assert (status["status"], status["usage"]["credits_used"]) == ("completed", 40)
    assert upstream.total_credits() == 40


def test_models_are_listed_free_of_charge(
    upstream: Upstream, http: httpx.Client
) -> None:
    assert len(http.get("/models").json()["data"]) > 2
    assert upstream.total_credits() == 0
