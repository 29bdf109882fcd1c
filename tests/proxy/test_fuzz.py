"""2,000 requests, drawn from the contract and spoilt: clear answers, never a 5xx."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field

import httpx
import pytest
from pytest_django.fixtures import Settings

from billing.models.hold import UNRESOLVED, HoldState
from proxy import tasks
from proxy.operations import OPERATIONS
from tests.support import seeds
from tests.support.gateway import bodies
from tests.support.gateway.customers import Customer
from tests.support.sandbox.server import KEY, Sandbox
from tests.support.services.fixtures import GatewayFactory
from tests.support.waiting import PATIENCE_SECONDS, wait_for

REQUESTS = 2_000
AT_ONCE = 24
SCHEMAS = {
    "chat/completions": "ChatCompletionRequest",
    "responses": "ChatCompletionRequest",  # reshaped below
    "completions": "ChatCompletionRequest",
    "embeddings": "EmbeddingRequest",
    "images/generations": "ImageGenerationRequest",
    "images/edits": "ImageEditRequest",
    "videos/generations": "VideoGenerationRequest",
    "videos": "VideoGenerationRequest",
    "audio/speech": "TextToSpeechRequest",
    "audio/transcriptions": "SpeechToTextRequest",
    "audio/translations": "SpeechToTextRequest",
    "music/generations": "MusicGenerationRequest",
}
PATHS = (
    "models",
    "models/openai%2Fgpt-4o",
    "models/..%2f..%2fadmin",
    "jobs/job_00000000000000000000000000000000",
    "jobs/..%2f..%2fmodels",
    "jobs/%00",
    "videos/video_00000000000000000000000000000000",
    "videos/video_00000000000000000000000000000000/content",
    "videos/video_%00/content",
    "requests/req_1",
    "responses",
    "files/abc/content",
    "key",
    "quote",
    "",
    "//",
    "chat/completions/",
    "Chat/Completions",
    "%ff%fe",
)
QUERIES = ("", "", "", "?async=true", "?async=false", "?async=maybe", "?poll=true")
TYPES = (
    "application/json",
    "application/json",
    "application/json",
    "application/json; charset=utf-8",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "text/plain",
    "",
)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    content: bytes
    headers: dict[str, str] = field(default_factory=dict)


def drawn(chance: random.Random) -> Request:
    """Mostly calls that could be meant; some that nobody would send."""
    if chance.random() < 0.15:
        method = chance.choice(("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"))
        path = chance.choice((*PATHS, *SCHEMAS)) + chance.choice(QUERIES)
        return Request(method, path, b"")
    route, schema = chance.choice(list(SCHEMAS.items()))
    body = bodies.drawn(schema, chance)
    body = bodies.RESHAPED.get(route, bodies.unchanged)(body, chance)
    is_right = chance.random() < 0.35
    content = json.dumps(body).encode() if is_right else bodies.spoilt(body, chance)
    headers = {"content-type": "application/json" if is_right else chance.choice(TYPES)}
    if chance.random() < 0.1:
        headers["accept"] = chance.choice(("audio/*", "text/html", "nonsense"))
    return Request("POST", route + chance.choice(QUERIES), content, headers)


async def answers(
    base_url: str, secret: str, requests: list[Request]
) -> list[httpx.Response | Exception]:
    """So many at once, each with a client of its own: one for all would look through
    all its connections for every request."""
    found: dict[int, httpx.Response | Exception] = {}
    waiting = iter(enumerate(requests))

    async def ask_one_after_the_other() -> None:
        async with httpx.AsyncClient(
            headers={"authorization": f"Bearer {secret}"}, timeout=PATIENCE_SECONDS
        ) as client:
            for number, request in waiting:
                try:
                    found[number] = await client.request(
                        request.method,
                        f"{base_url}/{request.path}",
                        content=request.content,
                        headers=request.headers,
                    )
                except httpx.HTTPError as error:
                    found[number] = error

    await asyncio.gather(*(ask_one_after_the_other() for _ in range(AT_ONCE)))
    return [found[number] for number in range(len(requests))]


def all_over(customer: Customer) -> bool:
    """After another look at the jobs that nobody asks about."""
    tasks.poll_jobs()
    return all(hold.state != HoldState.OPEN for hold in customer.holds())


def test_every_route_of_the_gateway_is_fuzzed() -> None:
    assert {operation.route for operation in OPERATIONS} == set(SCHEMAS)


@pytest.mark.once
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("clean_ledger")
def test_whatever_is_sent_the_answer_is_clear(
    gateway: GatewayFactory, sandbox: Sandbox, customer: Customer, settings: Settings
) -> None:
    settings.UPSTREAM_BASE_URL, settings.UPSTREAM_API_KEY = sandbox.base_url, KEY
    chance = seeds.drawn("FUZZ_SEED")
    started = gateway(UPSTREAM_BASE_URL=sandbox.base_url, UPSTREAM_API_KEY=KEY)
    requests = [drawn(chance) for _ in range(REQUESTS)]
    found = asyncio.run(answers(started.base_url, customer.secret, requests))

    wrong = [
        (request, answer if isinstance(answer, Exception) else answer.text[:300])
        for request, answer in zip(requests, found, strict=True)
        if isinstance(answer, Exception) or answer.status_code >= 500
    ]
    assert not wrong, f"{len(wrong)}: {wrong[:5]}"
    for request, answer in zip(requests, found, strict=True):
        assert isinstance(answer, httpx.Response)
        if answer.status_code >= 400 and request.method != "HEAD":
            assert answer.json()["error"]["message"], (request, answer.text)
    good = sum(getattr(answer, "status_code", 0) == 200 for answer in found)
    assert good > REQUESTS / 10  # it is not all refused at the door
    wait_for(lambda: all_over(customer), explain=customer.holds)
    holds = customer.holds()
    assert not [hold for hold in holds if hold.state in UNRESOLVED]
