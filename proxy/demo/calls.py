"""The calls that the demonstration makes, as a developer with a key would."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import openai
from openai import OpenAI

MODEL = "openai/gpt-4o-mini"
EXPENSIVE_MODEL = "anthropic/claude-3.5-sonnet"
EMBEDDING_MODEL = "text-embedding-3-small"
IMAGE_MODEL = "fal-ai/flux/dev"
SPEECH_MODEL = "fal-ai/f5-tts"
TRANSCRIPTION_MODEL = "fal-ai/whisper"
SENTENCE = "Every call is held first, and charged exactly once."
MUSIC: dict[str, Any] = {
    "prompt": "A quiet tune for the gate",
    "duration_seconds": 5,
}
VIDEO: dict[str, Any] = {"prompt": "A gate opens", "duration_seconds": 1}
WHITE_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsdYjMQAAAABJ"
    "RU5ErkJggg=="
)
QUESTION = "In two sentences: why does a ledger have two entries for everything?"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the demonstration's table; credits as the reply had them."""

    call: str
    outcome: str
    held: str = "—"
    charged: str = "—"
    remaining: str = "—"
    is_right: bool = True


def models(client: OpenAI) -> Line:
    """The list of models; to ask is free."""
    found = client.models.list().data
    return Line("models", f"200, {len(found)} models", charged="free")


def plain(client: OpenAI) -> Line:
    """A chat completion."""
    reply = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=[{"role": "user", "content": QUESTION}]
    )
    tokens = reply.parse().usage
    used = f"{tokens.total_tokens} tokens" if tokens else ""
    return _line("chat completion", f"200, {used}", dict(reply.headers))


def streamed(client: OpenAI) -> Line:
    """The same, streamed."""
    with client.chat.completions.with_streaming_response.create(
        model=MODEL,
        messages=[{"role": "user", "content": QUESTION}],
        stream=True,
        stream_options={"include_usage": True},
    ) as reply:
        lines = list(reply.iter_lines())
        headers = dict(reply.headers)
    events = sum(line.startswith("data: {") for line in lines)
    # A stream's headers leave before its charge is known: a comment ends it.
    closing = next(line for line in lines if line.startswith(": x-request-id="))
    said = dict(word.split("=", 1) for word in closing[2:].split())
    return _line("chat, streamed", f"200, {events} events", headers | said)


def embeddings(client: OpenAI) -> Line:
    """Two embeddings: the upstream names no credits, the tariff prices them."""
    reply = client.embeddings.with_raw_response.create(
        model=EMBEDDING_MODEL, input=["double entry", "prepaid credits"]
    )
    vectors = reply.parse().data
    said = f"200, {len(vectors)} × {len(vectors[0].embedding)} floats"
    return _line("embeddings", said, dict(reply.headers))


def image(client: OpenAI) -> Line:
    """A picture, as a URL."""
    reply = client.images.with_raw_response.generate(
        model=IMAGE_MODEL, prompt="A toll gate at dawn", size="1024x1024"
    )
    pictures = reply.parse().data or []
    return _line("image", f"200, {len(pictures)} URL", dict(reply.headers))


def image_edit(client: OpenAI) -> Line:
    """A picture changed: the SDK uploads a form, the upstream wants JSON."""
    reply = client.images.with_raw_response.edit(
        image=("gate.png", WHITE_PIXEL, "image/png"), prompt="At night, please"
    )
    pictures = reply.parse().data or []
    return _line("image edit", f"200, {len(pictures)} URL", dict(reply.headers))


def speech_and_back(client: OpenAI) -> list[Line]:
    """Text to sound; and the sound, uploaded, to text and times."""
    spoken = client.audio.speech.with_raw_response.create(
        model=SPEECH_MODEL, voice="nova", input=SENTENCE, response_format="wav"
    )
    sound = spoken.content
    heard = client.audio.transcriptions.with_raw_response.create(
        model=TRANSCRIPTION_MODEL, file=("gate.wav", sound), response_format="srt"
    )
    cues = heard.text.count("-->")
    return [
        _line("speech", f"200, {len(sound) // 1024} kB of WAV", dict(spoken.headers)),
        _line("transcription", f"200, {cues} subtitle(s)", dict(heard.headers)),
    ]


def music(url: str, key: str) -> Line:
    """A tune, waited for: a job at the upstream, one answer here."""
    reply = _native(url, key, "/music/generations?async=false", MUSIC)
    seconds = reply.json()["data"]["duration_seconds"]
    return _line("music", f"200, {seconds:g} s", dict(reply.headers))


def video_job(url: str, key: str) -> tuple[Line, str]:
    """A video, as a job that only the worker asks about; and the job's id."""
    reply = _native(url, key, "/videos/generations", VIDEO)
    job = reply.json()
    line = _line("video job", f"200, {job['status']}", dict(reply.headers))
    return line, job["id"]


def job(url: str, key: str, job_id: str) -> Line:
    """The job, asked about once it is settled; to ask is free."""
    headers = {"authorization": f"Bearer {key}"}
    reply = httpx.get(f"{url}/v1/jobs/{job_id}", headers=headers, trust_env=False)
    said = reply.json()
    is_done = said.get("status") == "completed" and "outputData" in said
    outcome = f"{reply.status_code}, {said.get('status')}"
    return Line("asked about", outcome, charged="free", is_right=is_done)


def _native(url: str, key: str, path: str, body: dict[str, object]) -> httpx.Response:
    """A call that no SDK has a method for: the upstream's own JSON, as with curl."""
    headers = {"authorization": f"Bearer {key}"}
    reply = httpx.post(
        f"{url}/v1{path}", json=body, headers=headers, timeout=60, trust_env=False
    )
    return reply.raise_for_status()


def too_dear(client: OpenAI) -> Line:
    """A call that could cost more than there is."""
    return _refused(
        "more than there is",
        lambda: client.chat.completions.create(
            model=EXPENSIVE_MODEL,
            max_tokens=100_000,
            messages=[{"role": "user", "content": QUESTION}],
        ),
    )


def with_revoked_key(client: OpenAI) -> Line:
    """Any call, with a key that was revoked a moment ago."""
    return _refused(
        "with a revoked key",
        lambda: client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": QUESTION}]
        ),
    )


def _refused(call: str, attempt: Callable[[], object]) -> Line:
    try:
        attempt()
    except openai.APIStatusError as error:
        return _line(
            call, f"{error.status_code} {error.code}", dict(error.response.headers)
        )
    return Line(call, "was NOT refused", is_right=False)


def _line(call: str, outcome: str, headers: dict[str, str]) -> Line:
    return Line(
        call=call,
        outcome=outcome,
        held=headers.get("x-credits-held", "—"),
        charged=headers.get("x-credits-charged", "—"),
        remaining=headers.get("x-credits-remaining", "—"),
    )
