"""Transcriptions: how long the audio is, and words that cover it.

The audio comes as base64, bare or in a data URI, or as a URL. A WAV says how long
it is; other files are taken to have 16,000 bytes a second; a URL is never fetched
and counts as ten seconds. The words are made up from a digest of the audio.

The reply is JSON whatever `response_format` says, as in the contract; `text` then
holds the SRT or WebVTT document.
"""

from __future__ import annotations

import binascii
import hashlib
import re
import struct
from itertools import islice
from typing import Any

from proxy.sandbox import answers, catalogue, contract, errors, failures, prices
from proxy.sandbox.work import Work

MODEL_DEFAULT = "fal-ai/whisper"
URL = re.compile(r"https?://\S+", re.IGNORECASE)
DATA_URI = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
URL_MILLIS = 10_000
BYTES_PER_SECOND = 16_000
BYTES_PER_SECOND_MIN = 1000  # fewer in a WAV's header is a damaged header
MILLIS_PER_WORD = 400
SEGMENT_WORDS = 8
SPEAKERS = 2

Timed = dict[str, Any]


def plan(body: bytes) -> Work:
    """Raises: InvalidRequest, ModelNotFound."""
    fields = contract.parse(body, "SpeechToTextRequest")
    model = catalogue.find(
        fields.get("model", MODEL_DEFAULT),
        category="audio",
        capability="speech_to_text",
    )
    millis, heard = hear(fields["file"])
    words = timed(spread(heard, max(1, millis // MILLIS_PER_WORD)), millis)
    segments = segmented(words, has_speakers=fields.get("diarization", False))
    kinds = fields.get("timestamp_granularities", ["segment"])
    marks = failures.read(marked_text(fields))
    language = fields.get("language", "auto")
    is_known = language != "auto" and not failures.MARK.search(language)
    output: dict[str, Any] = {
        "text": written(segments, fields.get("response_format", "json")),
        "language": language if is_known else "en",
        "duration": millis / 1000,
    }
    # A speaker is told of a segment, so diarization wants segments in any case.
    if "segment" in kinds or fields.get("diarization"):
        output["segments"] = segments
    if "word" in kinds:
        output["words"] = words
    return Work(
        operation="audio.transcriptions",
        model=model,
        marks=marks,
        output=output,
        breakdown=prices.transcription(millis),
    )


def marked_text(fields: dict[str, Any]) -> str:
    """Where a mark of `failures` may stand. Base64 has no brackets: not in there."""
    prompt = fields.get("prompt")
    places = [fields.get("language", ""), prompt if isinstance(prompt, str) else ""]
    if URL.fullmatch(fields["file"]):
        places.append(fields["file"])
    return " ".join(places)


def hear(file: str) -> tuple[int, bytes]:
    """The milliseconds of the audio, and a digest of it.

    Raises: InvalidRequest for what is no audio at all.
    """
    if URL.fullmatch(file):
        return URL_MILLIS, hashlib.blake2b(file.encode()).digest()
    prefix = DATA_URI.match(file)
    encoded = "".join(file[prefix.end() if prefix else 0 :].split())
    try:
        audio = binascii.a2b_base64(encoded.encode("ascii"), strict_mode=True)
    except ValueError:
        raise errors.InvalidRequest("file", "neither base64 nor a URL") from None
    if not audio:
        raise errors.InvalidRequest("file", "is empty")
    millis = wav_millis(audio)
    if millis is None:
        millis = -(-len(audio) * 1000 // BYTES_PER_SECOND)
    return millis, hashlib.blake2b(audio).digest()


def wav_millis(audio: bytes) -> int | None:
    """What a WAV's header says, as far as the bytes are there; None if it is none.

    A WAV that was streamed has a size of 0xFFFFFFFF: not the truth either.
    """
    if audio[:4] != b"RIFF" or audio[8:12] != b"WAVE":
        return None
    place, rate = 12, 0
    size: int
    while place + 8 <= len(audio):
        kind, size = struct.unpack_from("<4sI", audio, place)
        place += 8
        if kind == b"fmt " and place + 12 <= len(audio):
            (rate,) = struct.unpack_from("<I", audio, place + 8)
        if kind == b"data" and rate >= BYTES_PER_SECOND_MIN:
            return -(-min(size, len(audio) - place) * 1000 // rate)
        place += size + size % 2
    return None


def spread(seed: bytes, count: int) -> list[str]:
    """So many words, from sentences whose order the seed decides."""
    sentences = answers.SENTENCES
    # Their number is a prime: any stride visits all of them.
    stride, at = 1 + seed[0] % (len(sentences) - 1), seed[1]
    words: list[str] = []
    while len(words) < count:
        words += sentences[at % len(sentences)].split()
        at += stride
    return words[:count]


def timed(words: list[str], millis: int) -> list[Timed]:
    """The contract's words; together they cover the audio without a gap."""
    edges = [millis * at // len(words) / 1000 for at in range(len(words) + 1)]
    return [
        {"word": word, "start": edges[at], "end": edges[at + 1]}
        for at, word in enumerate(words)
    ]


def segmented(words: list[Timed], *, has_speakers: bool) -> list[Timed]:
    """The contract's segments, of eight words each; the speakers take turns."""
    segments: list[Timed] = []
    rest = iter(words)
    while part := list(islice(rest, SEGMENT_WORDS)):
        segment = {
            "start": part[0]["start"],
            "end": part[-1]["end"],
            "text": " ".join(word["word"] for word in part),
        }
        if has_speakers:
            segment["speaker"] = f"speaker_{len(segments) % SPEAKERS}"
        segments.append(segment)
    return segments


def written(segments: list[Timed], form: str) -> str:
    """The transcript as plain text, or as subtitles."""
    if form not in {"srt", "vtt"}:
        return " ".join(segment["text"] for segment in segments)
    point = "," if form == "srt" else "."
    cues = [
        f"{number}\n{clock(segment['start'], point)} --> "
        f"{clock(segment['end'], point)}\n{segment['text']}\n"
        for number, segment in enumerate(segments, start=1)
    ]
    return "\n".join(["WEBVTT\n", *cues] if form == "vtt" else cues)


def clock(seconds: float, point: str) -> str:
    """1.5 as 00:00:01,500."""
    minutes, millis = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{millis // 1000:02}{point}{millis % 1000:03}"
