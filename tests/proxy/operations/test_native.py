"""The contract's ten operations in its own JSON, from a sandbox that keeps it."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from proxy.upstream import schemas
from tests.support.gateway.customers import Customer
from tests.support.gateway.journalled import assert_charges_are_the_journals, operations
from tests.support.sandbox import media_files
from tests.support.sandbox.server import KEY, SAY_HI, Sandbox
from tests.support.services.fixtures import GatewayFactory

JSON = {"accept": "application/json"}
PICTURE = "data:image/png;base64,iVBORw0KGgo="
# What the contract's schemas do not require, and these calls do not bring.
ABSENT = {"model_tier", "segments", "words", "errorMessage"}


def keeps(reply: httpx.Response, schema: str) -> dict[str, Any]:
    """The reply's body, once it is the contract's; no field of it has gone."""
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    # "nullable" is a word of the document that JSON Schema does not know.
    fields = schemas.properties(schema)
    null = {name for name in fields if body.get(name, 0) is None}
    assert all(fields[name].get("nullable") for name in null)
    said = {name: value for name, value in body.items() if name not in null}
    schemas.validator(schema).validate(said)
    assert fields.keys() - said.keys() <= ABSENT
    return body


def text(http: httpx.Client) -> None:
    models = keeps(http.get("/models"), "ModelsListResponse")
    body = {"messages": SAY_HI}
    said = keeps(http.post("/chat/completions", json=body), "ChatCompletionResponse")
    streamed = http.post("/chat/completions", json={**body, "stream": True})
    assert said["choices"][0]["message"]["content"] == text_of(streamed) != ""
    assert said["model"] in {model["id"] for model in models["data"]}
    reply = http.post("/embeddings", json={"input": ["a", "b"]})
    vectors = keeps(reply, "EmbeddingResponse")
    assert [item["index"] for item in vectors["data"]] == [0, 1]


def pictures(http: httpx.Client) -> None:
    made = [
        keeps(http.post(path, json=body), "ImageGenerationResponse")["data"]
        for path, body in (
            ("/images/generations", {"prompt": "A gate", "n": 2}),
            ("/images/edits", {"image": PICTURE, "prompt": "At night"}),
        )
    ]
    assert [len(data) for data in made] == [2, 1]
    for picture in (*made[0], *made[1]):
        sample = media_files.fetch(picture["url"], "image/png")
        assert sample == media_files.sample("png")


def sound(http: httpx.Client) -> None:
    body = {"input": "Every call is held.", "response_format": "wav"}
    reply = http.post("/audio/speech", json=body, headers=JSON)
    spoken = keeps(reply, "TextToSpeechResponse")
    wav = media_files.fetch(spoken["audio_url"], "audio/wav")
    body = {"file": base64.b64encode(wav).decode(), "language": "en"}
    reply = http.post("/audio/transcriptions", json=body)
    heard = keeps(reply, "SpeechToTextResponse")
    assert heard["duration"] * 1000 == media_files.wav_millis(wav)
    assert heard["text"] != ""
    body = {"prompt": "A waltz", "output_format": "wav"}
    reply = http.post("/music/generations?async=false", json=body)
    tune = keeps(reply, "MusicGenerationResponse")["data"]
    wav = media_files.fetch(tune["audio_url"], "audio/wav")
    assert media_files.wav_millis(wav) == tune["duration_seconds"] * 1000


def video_job(http: httpx.Client) -> None:
    body = {"prompt": "Waves", "duration_seconds": 2}
    job = keeps(http.post("/videos/generations", json=body), "AsyncJobResponse")
    reply = http.get(f"/jobs/{job['id']}", params={"poll": "true"})
    ended = keeps(reply, "JobStatusResponse")
    assert (ended["id"], ended["status"]) == (job["id"], "completed")
    assert ended["progress"] == 100
    media_files.fetch(ended["outputData"]["data"]["url"], "video/mp4")


@pytest.mark.once
@pytest.mark.usefixtures("clean_ledger")
def test_all_ten_operations_keep_the_contract_and_cost_what_the_upstream_says(
    gateway: GatewayFactory, sandbox: Sandbox, customer: Customer
) -> None:
    started = gateway(UPSTREAM_BASE_URL=sandbox.base_url, UPSTREAM_API_KEY=KEY)
    http = customer.http(started)
    for ask in (text, pictures, sound, video_job):
        ask(http)

    assert operations(sandbox) == [
        "chat.completions",
        "chat.completions",
        "embeddings",
        "images.generations",
        "images.edits",
        "audio.speech",
        "audio.transcriptions",
        "music.generations",
        "videos.generations",
    ]
    assert_charges_are_the_journals(customer, sandbox)


def text_of(streamed: httpx.Response) -> str:
    """What a stream said; it must have come to its end."""
    events = [line[6:] for line in streamed.text.splitlines() if line[:6] == "data: "]
    assert events.pop() == "[DONE]"
    choices = [choice for event in events for choice in json.loads(event)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)
