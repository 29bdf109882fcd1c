"""Transcriptions: how long the audio is, and words that cover it.

The audio comes as base64, bare or in a data URI, or as a URL. The length of a WAV is
that of its samples; other files are taken to have 16,000 bytes a second; a URL is
never fetched and counts as ten seconds. A digest of the audio picks the words.

The reply is JSON whatever `response_format` says, as in the contract; `text` then
holds the SRT or WebVTT document.
"""

from __future__ import annotations

import binascii
import hashlib
import io
import re
import wave
from typing import Any

from proxy.sandbox import answers, catalogue, contract, errors, failures, prices
from proxy.sandbox.work import Work

URL = re.compile(r"https?://\S+", re.IGNORECASE)
DATA_URI = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
URL_MILLIS = 10_000
BYTES_PER_SECOND = 16_000
BYTES_PER_SECOND_MIN = 1000  # fewer in a WAV's header is a damaged header
MILLIS_PER_WORD = 400
SEGMENT_WORDS = 8
SPEAKERS = 2

Timed = dict[str, Any]


def plan(body: bytes, _origin: str) -> Work:
    """Raises: Refusal (400, 404)."""
    fields = contract.parse(body, "SpeechToTextRequest")
    model = catalogue.find(fields["model"], "speech_to_text")
    millis, digest = measure(fields["file"])
    words = time_words(choose_words(digest, max(1, millis // MILLIS_PER_WORD)), millis)
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
    return Work(
        operation="audio.transcriptions",
        model=model,
        marks=failures.read(marked_text(fields)),
        output=output,
        breakdown=prices.transcription(millis),
    )


def marked_text(fields: dict[str, Any]) -> str:
    """Where a mark of `failures` may stand; base64 has no brackets to hold one."""
    prompt = fields.get("prompt")
    places = [fields["language"], prompt if isinstance(prompt, str) else ""]
    if URL.fullmatch(fields["file"]):
        places.append(fields["file"])
    return " ".join(places)


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


def choose_words(digest: bytes, count: int) -> list[str]:
    """So many words, from sentences whose order the digest decides."""
    sentences = answers.SENTENCES
    # Their number is a prime: any stride visits all of them.
    stride, at = 1 + digest[0] % (len(sentences) - 1), digest[1]
    words: list[str] = []
    while len(words) < count:
        words += sentences[at % len(sentences)].split()
        at += stride
    return words[:count]


def time_words(words: list[str], millis: int) -> list[Timed]:
    """The contract's words; together they cover the audio without a gap."""
    edges = [millis * at // len(words) / 1000 for at in range(len(words) + 1)]
    return [
        {"word": word, "start": edges[at], "end": edges[at + 1]}
        for at, word in enumerate(words)
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
            segment["speaker"] = f"speaker_{len(segments) % SPEAKERS}"
        segments.append(segment)
    return segments


def render(segments: list[Timed], form: str) -> str:
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
