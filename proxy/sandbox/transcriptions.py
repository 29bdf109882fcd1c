"""Transcriptions: how long the audio is, and words that cover it.

The audio comes as base64, bare or in a data URI, or as a URL. The length of a WAV is
that of its samples; other files are taken to have 16,000 bytes a second; a URL is
never fetched and counts as ten seconds.

The reply is JSON whatever `response_format` says, as in the contract; `text` then
holds the SRT or WebVTT document.
"""

from __future__ import annotations

import binascii
import hashlib
import io
import re
import wave
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import Any

from proxy.sandbox import answers, errors, failures

URL = re.compile(r"https?://\S+", re.IGNORECASE)
DATA_URI = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
URL_MILLIS = 10_000
BYTES_PER_SECOND = 16_000
BYTES_PER_SECOND_MIN = 1000  # fewer in a WAV's header is a damaged header
MILLIS_PER_WORD = 400
SEGMENT_WORDS = 8

Timed = dict[str, Any]


def measure(file: str) -> tuple[int, bytes]:
    """The milliseconds of the audio, and a digest of it.

    Raises: Refusal (400) for what cannot be audio.
    """
    if URL.fullmatch(file):
        return URL_MILLIS, hashlib.blake2b(file.encode()).digest()
    prefix = DATA_URI.match(file)
    encoded = "".join(file[prefix.end() if prefix else 0 :].split())
    try:
        audio = binascii.a2b_base64(encoded.encode("ascii"), strict_mode=True)
    except ValueError:
        raise errors.invalid("file", "neither base64 nor a URL") from None
    if not audio:
        raise errors.invalid("file", "is empty")
    millis = wav_millis(audio)
    if millis is None:
        millis = -(-len(audio) * 1000 // BYTES_PER_SECOND)
    return millis, hashlib.blake2b(audio).digest()


def wav_millis(audio: bytes) -> int | None:
    """The length of a WAV's samples; None if it is no WAV, or damaged.

    The header may claim more than there is: a WAV that was streamed says 4 GB.
    """
    try:
        with wave.open(io.BytesIO(audio)) as file:
            size = len(file.readframes(file.getnframes()))
            rate = file.getframerate() * file.getnchannels() * file.getsampwidth()
    except (wave.Error, EOFError):
        return None
    return -(-size * 1000 // rate) if rate >= BYTES_PER_SECOND_MIN else None


def write(fields: dict[str, Any], millis: int, digest: bytes) -> dict[str, Any]:
    """The reply for audio of this length; the digest picks the words."""
    words = time_words(digest, millis)
    segments = join_words(words, has_speakers=fields["diarization"])
    kinds, language = fields["timestamp_granularities"], fields["language"]
    is_known = language != "auto" and not failures.MARK.search(language)
    output: dict[str, Any] = {
        "text": render(segments, fields["response_format"]),
        "language": language if is_known else "en",
        "duration": millis / 1000,
    }
    # Only segments name a speaker, so diarization wants them in any case.
    if "segment" in kinds or fields["diarization"]:
        output["segments"] = segments
    if "word" in kinds:
        output["words"] = words
    return output


def time_words(digest: bytes, millis: int) -> list[Timed]:
    """The contract's words; together they cover the audio without a gap."""
    count = max(1, millis // MILLIS_PER_WORD)
    edges = [millis * at // count / 1000 for at in range(count + 1)]
    endless = (word for text in answers.sentences(digest) for word in text.split())
    words = islice(endless, count)
    return [
        {"word": word, "start": start, "end": end}
        for word, (start, end) in zip(words, pairwise(edges), strict=True)
    ]


def join_words(words: list[Timed], *, has_speakers: bool) -> list[Timed]:
    """The contract's segments, of eight words each; the speakers take turns."""
    segments: list[Timed] = []
    for first in range(0, len(words), SEGMENT_WORDS):
        part = words[first : first + SEGMENT_WORDS]
        segment = {
            "start": part[0]["start"],
            "end": part[-1]["end"],
            "text": " ".join(word["word"] for word in part),
        }
        if has_speakers:
            segment["speaker"] = f"speaker_{len(segments) % 2}"
        segments.append(segment)
    return segments


def render(segments: list[Timed], form: str) -> str:
    """The transcript as plain text, or as subtitles."""
    if form not in {"srt", "vtt"}:
        return " ".join(segment["text"] for segment in segments)
    point = "," if form == "srt" else "."
    cues = ["WEBVTT\n"] if form == "vtt" else []
    for number, segment in enumerate(segments, start=1):
        start, end = clock(segment["start"], point), clock(segment["end"], point)
        cues.append(f"{number}\n{start} --> {end}\n{segment['text']}\n")
    return "\n".join(cues)


def clock(seconds: float, point: str) -> str:
    """1.5 as 00:00:01,500."""
    moment = datetime.fromtimestamp(seconds, UTC).time()
    return moment.isoformat("milliseconds").replace(".", point)
