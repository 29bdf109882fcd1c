"""The calls that the demonstration makes, as a developer with a key would."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import openai
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from proxy.demo.lines import Line

MODEL = "openai/gpt-4o-mini"
SENTENCE = "Every call is held first, and charged exactly once."
ASKED = "In two sentences: why does a ledger have two entries for everything?"
QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": ASKED}]
MUSIC = {"prompt": "A quiet tune for the gate", "duration_seconds": 5}
VIDEO = {"prompt": "A gate opens", "duration_seconds": 1}
WHITE_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsdYjMQAAAABJ"
    "RU5ErkJggg=="
)


def texts(client: OpenAI) -> Iterator[Line]:
    found = client.models.list().data
    yield Line("models", f"200, {len(found)} models", charged="free")

    chat = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=QUESTION
    )
    tokens = chat.parse().usage
    used = f"{tokens.total_tokens} tokens" if tokens else ""
    yield line("chat completion", f"200, {used}", chat.headers)

    with client.chat.completions.with_streaming_response.create(
        model=MODEL,
        messages=QUESTION,
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        told = list(stream.iter_lines())
    events = sum(each.startswith("data: {") for each in told)
    # A stream's headers leave before its charge is known: a comment ends it.
    closing = next(each for each in told if each.startswith(": x-request-id="))
    said = dict(word.split("=", 1) for word in closing[2:].split())
    yield line("chat, streamed", f"200, {events} events", {**stream.headers, **said})

    # The upstream names no credits for these: the tariff prices them.
    reply = client.embeddings.with_raw_response.create(
        model="text-embedding-3-small", input=["double entry", "prepaid credits"]
    )
    vectors = reply.parse().data
    size = f"{len(vectors)} × {len(vectors[0].embedding)} floats"
    yield line("embeddings", f"200, {size}", reply.headers)


def media(client: OpenAI) -> Iterator[Line]:
    made = client.images.with_raw_response.generate(
        model="fal-ai/flux/dev", prompt="A toll gate at dawn", size="1024x1024"
    )
    count = len(made.parse().data or [])
    yield line("image", f"200, {count} URL", made.headers)

    # The SDK uploads a form, the upstream wants JSON.
    edited = client.images.with_raw_response.edit(
        image=("gate.png", WHITE_PIXEL, "image/png"), prompt="At night, please"
    )
    count = len(edited.parse().data or [])
    yield line("image edit", f"200, {count} URL", edited.headers)

    spoken = client.audio.speech.with_raw_response.create(
        model="fal-ai/f5-tts", voice="nova", input=SENTENCE, response_format="wav"
    )
    sound = spoken.content
    yield line("speech", f"200, {len(sound) // 1024} kB of WAV", spoken.headers)

    heard = client.audio.transcriptions.with_raw_response.create(
        model="fal-ai/whisper", file=("gate.wav", sound), response_format="srt"
    )
    cues = heard.text.count("-->")
    yield line("transcription", f"200, {cues} subtitle(s)", heard.headers)

    # A job at the upstream, one answer here. The SDK has no method for music.
    tune = client.post(
        "/music/generations?async=false", cast_to=httpx.Response, body=MUSIC
    )
    seconds = tune.json()["data"]["duration_seconds"]
    yield line("music", f"200, {seconds:g} s", tune.headers)


def video_job(client: OpenAI) -> tuple[Line, str]:
    """A video, as a job that only the worker asks about; and the job's id."""
    reply = client.post("/videos/generations", cast_to=httpx.Response, body=VIDEO)
    job = reply.json()
    return line("video job", f"200, {job['status']}", reply.headers), job["id"]


def job(client: OpenAI, job_id: str) -> Line:
    """The job, asked about once it is settled; to ask is free."""
    said = client.get(f"/jobs/{job_id}", cast_to=httpx.Response).json()
    is_done = said["status"] == "completed" and "outputData" in said
    outcome = f"200, {said['status']}"
    return Line("asked about", outcome, charged="free", is_right=is_done)


def refused(call: str, client: OpenAI, **more: Any) -> Line:
    """A chat that must be refused."""
    try:
        client.chat.completions.create(messages=QUESTION, **{"model": MODEL, **more})
    except openai.APIStatusError as error:
        outcome = f"{error.status_code} {error.code}"
        return line(call, outcome, error.response.headers)
    return Line(call, "was NOT refused", is_right=False)


def line(call: str, outcome: str, headers: Mapping[str, str]) -> Line:
    """With the credits as the reply has them."""
    held, charged, remaining = (
        headers.get(f"x-credits-{name}", "—")
        for name in ("held", "charged", "remaining")
    )
    return Line(call, outcome, held, charged, remaining)
