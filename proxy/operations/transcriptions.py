"""Transcriptions and translations: recordings as uploads or as the contract has them.

The upstream is always asked for JSON, with the recording in it; every other form is
made here, of its segments.
"""

from __future__ import annotations

import base64
import binascii
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from billing.pricing.rates import Units
from proxy.calls import usage_shown
from proxy.calls.call import Call, Document, Headers, Incoming, Operation, as_json
from proxy.http import refusals
from proxy.http.multipart import Upload
from proxy.operations import bodies, subtitles
from proxy.upstream import contract

NAME = "audio.transcriptions"
PATH = "/audio/transcriptions"
SCHEMA = "SpeechToTextRequest"
FORMATS = ("json", "text", "srt", "vtt", "verbose_json", "diarized_json")
# What no field of the upstream's takes.
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


def read(incoming: Incoming, *, translate: bool = False) -> Call:
    """The call that a form or a JSON body asks for. Raises: GatewayError (400)."""
    bodies.refuse_streaming(incoming.document)
    asked = bodies.meaningful(incoming.document)
    wanted = _format(asked.get("response_format", "json"))
    body = bodies.typed(bodies.meaningful(asked, DROPPED), SCHEMA)
    bodies.fill(body, SCHEMA, "model")
    if wanted != "json" and "timestamp_granularities" in body:
        # All other forms are made of segments.
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


# --- what was asked ------------------------------------------------------------------


def _format(wanted: Any) -> str:
    if wanted not in FORMATS:
        raise refusals.invalid(
            f"response_format must be one of {', '.join(FORMATS)}.",
            param="response_format",
        )
    return str(wanted)


def _bounds(recording: Any) -> tuple[int, int]:
    """The longest and the shortest the recording may be, in milliseconds.

    Raises: GatewayError (400). What a file's header says of its length is a claim, so
    only its size counts.
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


def _decoded_bytes(text: str) -> int:
    """Raises: GatewayError (400) for what is neither base64 nor a data URI of it."""
    if text[:5].lower() == "data:":
        head, _, text = text.partition(",")
        if not head.lower().endswith(";base64"):
            raise refusals.invalid("A data URI in file must be base64.", param="file")
    try:
        return len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise refusals.invalid(
            "file is neither an http(s) address, nor a data URI, nor base64.",
            param="file",
        ) from None


# --- what came ---------------------------------------------------------------------


def _count(call: Call, document: Document) -> Units:
    """As long as the reply says, or as its last words; else what is certain."""
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
    """The reply in the form that was asked for."""
    transcript = subtitles.read(document)
    match wanted:
        case "text":
            return _text(transcript.text.strip() + "\n", "text/plain", headers)
        case "srt":
            return _text(subtitles.srt(transcript), "text/plain", headers)
        case "vtt":
            return _text(subtitles.vtt(transcript), "text/vtt", headers)
        case "verbose_json":
            shown = subtitles.verbose(transcript, task=task, words=words)
        case "diarized_json":
            shown = subtitles.diarized(transcript, task=task)
        case _ if is_native:
            shown = document  # the contract's own reply, to the contract's own request
        case _:
            shown = {"text": transcript.text}
    usage = document.get("usage")
    shown["usage"] = usage_shown.of_recording(
        usage if isinstance(usage, dict) else {}, transcript.length_ms or least_ms
    )
    return await as_json(shown, headers)


def _text(content: str, content_type: str, headers: Headers) -> HttpResponseBase:
    return HttpResponse(
        content.encode(), headers=headers, content_type=f"{content_type}; charset=utf-8"
    )


OPERATION = Operation(NAME, "audio/transcriptions", read, takes_forms=True)
TRANSLATION = Operation(
    NAME, "audio/translations", partial(read, translate=True), takes_forms=True
)
