"""What OpenAI's SDKs call and this upstream has not: a 404 that says what has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import httpx
import openai
import pytest

from proxy.http import unsupported
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream

pytestmark = pytest.mark.once

Ask: TypeAlias = Callable[[openai.OpenAI], Any]
AUDIO = ("a.wav", b"RIFF")

CALLS: dict[str, tuple[Ask, str]] = {
    "a response": (lambda c: c.responses.retrieve("resp_1"), "not kept"),
    "a stored completion": (
        lambda c: c.chat.completions.retrieve("chatcmpl-1"),
        "not kept here",
    ),
    "stored completions": (
        lambda c: c.chat.completions.list(),
        "the portal lists the calls",
    ),
    "a model's deletion": (lambda c: c.models.delete("m"), "cannot be tuned"),
    "messages of one": (
        lambda c: c.chat.completions.messages.list("chatcmpl-1"),
        "not kept here",
    ),
    "moderations": (lambda c: c.moderations.create(input="Hi"), "moderates nothing"),
    "files": (lambda c: c.files.list(), "not kept here"),
    "a new file": (
        lambda c: c.files.create(file=AUDIO, purpose="batch"),
        "not kept here",
    ),
    "uploads": (lambda c: c.uploads.cancel("upload_1"), "not kept here"),
    "containers": (lambda c: c.containers.list(), "not kept here"),
    "batches": (lambda c: c.batches.list(), "one by one"),
    "fine_tuning": (lambda c: c.fine_tuning.jobs.list(), "/v1/models"),
    "assistants": (lambda c: c.beta.assistants.list(), "whole conversation"),
    "threads": (lambda c: c.beta.threads.create(), "whole conversation"),
    "runs": (
        lambda c: c.beta.threads.runs.list("thread_1"),
        "whole conversation",
    ),
    "conversations": (lambda c: c.conversations.create(), "whole conversation"),
    "vector stores": (lambda c: c.vector_stores.list(), "/v1/embeddings"),
    "evals": (lambda c: c.evals.list(), "/v1/chat/completions"),
    "variations": (
        lambda c: c.images.create_variation(image=("a.png", b"PNG")),
        "/v1/images/edits",
    ),
    "videos": (lambda c: c.videos.list(), "/v1/videos/generations"),
    "realtime": (lambda c: c.realtime.client_secrets.create(), "no live sessions"),
}


@pytest.fixture(autouse=True)
def nothing_happened(customer: Customer, upstream: Upstream) -> Iterator[None]:
    yield
    assert_nothing_happened(customer, upstream)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_sdk_is_told_what_to_use_and_does_not_try_again(
    live_gateway: Gateway, customer: Customer
) -> None:
    client = customer.openai(live_gateway, max_retries=2)
    for call, (ask, cure) in CALLS.items():
        with pytest.raises(openai.NotFoundError) as refused:
            ask(client)

        assert refused.value.code == "unsupported_endpoint", call
        assert cure in refused.value.message, call
        assert "Available: /v1/chat/completions, " in refused.value.message
        request = refused.value.request
        assert request.headers["x-stainless-retry-count"] == "0", call


def test_every_method_and_path_below_gets_the_same_advice(
    live_gateway: Gateway, customer: Customer
) -> None:
    http = customer.http(live_gateway)
    for prefix, said in unsupported.ADVICE.items():
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            reply = http.request(method, f"/{prefix}/some-id/parts", content=b"{}")
            assert_refusal(reply, 404, "unsupported_endpoint")
            assert said[1:] in reply.json()["error"]["message"]


def test_no_key_is_needed_to_be_told(live_gateway: Gateway) -> None:
    reply = httpx.post(f"{live_gateway.base_url}/batches", json={})
    assert_refusal(reply, 404, "unsupported_endpoint")


def test_a_slip_of_the_pen_is_told_what_there_is(
    live_gateway: Gateway, customer: Customer
) -> None:
    for path in (
        live_gateway.base_url,
        *("/chat/completions/", "/Chat/Completions", "/nonsense", "/respons"),
        *("/", "/%ff", "/chat//completions"),
    ):
        reply = customer.http(live_gateway).post(path, json={})
        assert_refusal(reply, 404, "unsupported_endpoint")
        message = reply.json()["error"]["message"]
        assert "twice" not in message
        assert ". Available: /v1/chat/completions, /v1/responses, " in message
        assert "/v1/models" in message


def test_an_endless_path_is_not_repeated(
    live_gateway: Gateway, customer: Customer
) -> None:
    reply = customer.http(live_gateway).get("/files/" + "x" * 5000)
    assert_refusal(reply, 404, "unsupported_endpoint")
    assert len(reply.content) < 2000


def test_a_path_of_many_steps_is_no_work() -> None:
    """Nobody has shown a key yet, and the event loop does it: 3 s for one request."""
    paths = [f"/v1/{'a/' * 32_000}", f"/v1/files/{'a/' * 32_000}", "/" * 65_000]
    began = time.process_time()
    for path in paths:
        assert unsupported.advice(path)
    assert time.process_time() - began < 0.5
    assert unsupported.advice(paths[1]) == unsupported.advice("/v1/files/a")
