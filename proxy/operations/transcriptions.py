"""Transcriptions and translations of recordings, which come as files or addresses.

The upstream takes JSON with the recording in it, and is always asked for a JSON answer;
every other format is made here, of the answer's segments.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from billing.pricing.rates import Units
from proxy.calls import usage_shown
from proxy.calls.call import Call, Document, Headers, Incoming, Operation
from proxy.http import refusals, reply
from proxy.http.multipart import Upload
from proxy.operations import bodies, subtitles
from proxy.upstream import contract

NAME = "audio.transcriptions"
PATH = "/audio/transcriptions"
SCHEMA = "SpeechToTextRequest"
# The formats that are no JSON: what is sent, and how it is made.
TEXTS: dict[str, tuple[str, Callable[[subtitles.Transcript], str]]] = {
    "text": ("text/plain", lambda transcript: transcript.text.strip() + "\n"),
    "srt": ("text/plain", subtitles.srt),
    "vtt": ("text/vtt", subtitles.vtt),
}
FORMATS = ("json", *TEXTS, "verbose_json", "diarized_json")
# Fields of OpenAI's that the upstream does not have.
IGNORED = (
    *("temperature", "prompt", "include", "chunking_strategy"),
    *("known_speaker_names", "known_speaker_references"),
)
DROPPED = ("stream", "response_format", *IGNORED)
# No codec that speech comes in uses less than 8 kbit/s, so a byte is at most a
# millisecond; what people send has 128 kbit/s.
BYTES_PER_MS_COMMON = 16
MS_LEAST = 1000
HTTP = ("http://", "https://")
CONTAINERS = {
    "flac": re.compile(rb"fLaC"),
    "mp4": re.compile(rb"....ftyp", re.DOTALL),
    "ogg": re.compile(rb"OggS"),
    "webm": re.compile(rb"\x1aE\xdf\xa3"),
    "wav": re.compile(rb"RIFF"),
    "mp3": re.compile(rb"ID3|\xff[\xe2-\xff]"),
}


def read(incoming: Incoming, *, translate: bool = False) -> Call:
    """The call that a form or a JSON body asks for, bounded in milliseconds of sound:
    by the size of its file, or by TRANSCRIPTION_URL_SECONDS_MAX for an address.

    Raises: GatewayError (400) for a stream of events, an unknown `response_format`, a
    `file` that is missing, empty or not readable, and for what the contract forbids.
    """
    bodies.refuse_streaming(incoming.document)
    asked = bodies.meaningful(incoming.document)
    wanted = bodies.one_of(asked, "response_format", FORMATS) or "json"
    body = bodies.typed(bodies.meaningful(asked, DROPPED), SCHEMA)
    bodies.fill(body, SCHEMA, "model")
    if wanted != "json" and "timestamp_granularities" in body:
        # All other formats are made of segments.
        body["timestamp_granularities"] = sorted(
            {*map(str, body["timestamp_granularities"]), "segment"}
        )
    if wanted == "diarized_json":
        body["diarization"] = True
    if translate:
        body["translation"] = True
    recording = body.get("file")
    most_ms, least_ms = _bounds(recording)
    if isinstance(recording, Upload):
        body["file"] = recording.as_base64()
    body["response_format"] = "json"
    contract.check(body, SCHEMA)
    return Call(
        operation=NAME,
        path=PATH,
        model=contract.model_name(body),
        content=contract.write(body),
        most=Units(media_ms=most_ms),
        least=Units(media_ms=least_ms),
        traits=(
            _container(body["file"]),
            *bodies.traits(body, SCHEMA, "diarization", "translation"),
        ),
        ignored=bodies.ignored(incoming.document, IGNORED),
        count=_count,
        answer=partial(
            _answer,
            wanted,
            task="translate" if body.get("translation") else "transcribe",
            words="word" in body.get("timestamp_granularities", ()),
            is_native=not isinstance(recording, Upload),
            least_ms=least_ms,
        ),
    )


def _bounds(recording: Any) -> tuple[int, int]:
    """The longest and the shortest the recording may be, in milliseconds. A file's
    header may lie about its length, so only its size counts.

    Raises: GatewayError (400).
    """
    if isinstance(recording, str) and recording[:8].lower().startswith(HTTP):
        contract.check_address(recording, param="file")
        return settings.TRANSCRIPTION_URL_SECONDS_MAX * 1000, MS_LEAST
    if isinstance(recording, Upload):
        size = recording.size
    elif isinstance(recording, str):
        size = _decoded_bytes(recording)
    else:
        raise refusals.invalid(
            "file must be one recording: an upload, or in JSON an http(s) address, "
            "a data URI or base64.",
            param="file",
        )
    if not size:
        raise refusals.invalid("The recording in file is empty.", param="file")
    return max(size, MS_LEAST), -(-size // BYTES_PER_MS_COMMON)


def _container(recording: str) -> str:
    """A word for how the recording begins. How far its length may be from what its
    size says depends on it: silence in FLAC takes hardly any bytes."""
    if recording[:8].lower().startswith(HTTP):
        return "address"
    text = (
        recording.partition(",")[2] if recording[:5].lower() == "data:" else recording
    )
    beginning = base64.b64decode(text[:16])
    return next((word for word, at in CONTAINERS.items() if at.match(beginning)), "raw")


def _decoded_bytes(text: str) -> int:
    """Raises: GatewayError (400) for what is neither base64 nor a data URI of it."""
    if text[:5].lower() == "data:":
        head, _, text = text.partition(",")
        if not head.lower().endswith(";base64"):
            raise refusals.invalid("A data URI in file must be base64.", param="file")
    try:
        return len(base64.b64decode(text, validate=True))
    except ValueError:
        raise refusals.invalid(
            "file is neither an http(s) address, nor a data URI, nor base64.",
            param="file",
        ) from None


def _count(call: Call, document: Document) -> Units:
    """The recording's length by the answer, in milliseconds; else the least it has."""
    length_ms = subtitles.read(document).length_ms
    return Units(media_ms=length_ms) if length_ms else call.least


async def _answer(
    wanted: str,
    document: Document,
    headers: Headers,
    *,
    task: str,
    words: bool,
    is_native: bool,
    least_ms: int,
) -> HttpResponseBase:
    """The answer in the format that was asked for."""
    transcript = subtitles.read(document)
    if wanted in TEXTS:
        content_type, render = TEXTS[wanted]
        return HttpResponse(
            render(transcript),
            headers=headers,
            content_type=f"{content_type}; charset=utf-8",
        )
    if wanted == "verbose_json":
        shown = subtitles.verbose(transcript, task=task, words=words)
    elif wanted == "diarized_json":
        shown = subtitles.diarized(transcript, task=task)
    else:  # to the contract's own request the contract's own answer
        shown = document if is_native else {"text": transcript.text}
    usage = document.get("usage")
    shown["usage"] = usage_shown.of_recording(
        usage if isinstance(usage, dict) else {}, transcript.length_ms or least_ms
    )
    return reply.json(shown, headers)


OPERATION = Operation(NAME, "audio/transcriptions", read, takes_forms=True)
TRANSLATION = Operation(
    NAME, "audio/translations", partial(read, translate=True), takes_forms=True
)
