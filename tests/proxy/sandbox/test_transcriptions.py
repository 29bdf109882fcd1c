"""Transcriptions: the audio's length, its price, and words that cover it."""

from __future__ import annotations

import base64
import io
import struct
import wave
from itertools import pairwise
from typing import Any

import httpx
import pytest

from proxy.sandbox import transcriptions
from proxy.upstream import schemas
from tests.support.sandbox.server import Sandbox

URL = "https://example.org/talk.mp3"


def wav(seconds: int, *, rate: int = 8000, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(bytes(seconds * rate * width))
    return file.getvalue()


def encoded(audio: bytes) -> str:
    return base64.b64encode(audio).decode()


def transcribe(sandbox: Sandbox, file: str = URL, **fields: Any) -> httpx.Response:
    return sandbox.post("/audio/transcriptions", file=file, **fields)


def test_the_reply_keeps_the_contract_and_is_charged(sandbox: Sandbox) -> None:
    reply = transcribe(sandbox, encoded(wav(61)))
    body = reply.json()
    schemas.validator("SpeechToTextResponse").validate(body)
    assert (body["duration"], body["language"]) == (61, "en")
    assert body["usage"] == {"credits_used": 7, "credits_breakdown": {"audio": 7}}
    entry = sandbox.charge(reply)
    assert (entry["operation"], entry["credits"]) == ("audio.transcriptions", 7)


@pytest.mark.parametrize(
    ("file", "seconds"),
    [
        (URL, 10),
        (encoded(bytes(40_000)), 2.5),
        ("data:audio/mpeg;base64," + encoded(bytes(40_000)), 2.5),
        (encoded(wav(3, rate=44_100)), 3),
        (encoded(wav(4, rate=16_000, width=1)), 4),
        ("data:audio/wav;base64," + encoded(wav(5)), 5),
    ],
)
def test_the_length_is_the_audios(sandbox: Sandbox, file: str, seconds: float) -> None:
    assert transcribe(sandbox, file).json()["duration"] == seconds


def test_a_wav_is_never_longer_than_its_bytes() -> None:
    streamed = bytearray(wav(2))
    struct.pack_into("<I", streamed, 40, 0xFFFF_FFFF)
    assert transcriptions.wav_millis(bytes(streamed)) == 2000
    damaged = bytearray(wav(2))
    struct.pack_into("<I", damaged, 24, 1)  # one sample a second
    assert transcriptions.wav_millis(bytes(damaged)) is None
    assert transcriptions.wav_millis(wav(2)[:30]) is None
    assert transcriptions.wav_millis(b"RIFF") is None


def test_words_and_segments_cover_the_audio(sandbox: Sandbox) -> None:
    body = transcribe(sandbox, timestamp_granularities=["segment", "word"]).json()
    for pieces, text in ((body["segments"], "text"), (body["words"], "word")):
        assert (pieces[0]["start"], pieces[-1]["end"]) == (0, body["duration"])
        assert all(one["end"] == two["start"] for one, two in pairwise(pieces))
        assert all(piece["start"] < piece["end"] for piece in pieces)
        assert " ".join(piece[text] for piece in pieces) == body["text"]
    assert len(body["words"]) == 25


def test_only_what_was_asked_for_is_there(sandbox: Sandbox) -> None:
    assert "words" not in transcribe(sandbox).json()
    words = transcribe(sandbox, timestamp_granularities=["word"]).json()
    assert "segments" not in words
    assert "speaker" not in transcribe(sandbox).json()["segments"][0]


def test_diarization_names_the_speakers(sandbox: Sandbox) -> None:
    body = transcribe(sandbox, diarization=True).json()
    schemas.validator("SpeechToTextResponse").validate(body)
    speakers = [segment["speaker"] for segment in body["segments"]]
    assert speakers[:3] == ["speaker_0", "speaker_1", "speaker_0"]


def test_the_same_audio_has_the_same_words(sandbox: Sandbox) -> None:
    first, again, other = (
        transcribe(sandbox, encoded(bytes([byte]) * 90_000)).json()["text"]
        for byte in (1, 1, 2)
    )
    assert first == again != other


def test_subtitles_are_in_the_text(sandbox: Sandbox) -> None:
    srt = transcribe(sandbox, response_format="srt").json()["text"]
    assert srt.startswith("1\n00:00:00,000 --> 00:00:03,200\n")
    vtt = transcribe(sandbox, response_format="vtt").json()["text"]
    assert vtt.startswith("WEBVTT\n\n1\n00:00:00.000 --> 00:00:03.200\n")
    plain = transcribe(sandbox, response_format="text").json()["text"]
    assert "-->" not in plain
    assert plain.split("\n") == [plain]
    assert transcriptions.clock(3723.004, ",") == "01:02:03,004"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"file": ""}, "file"),
        ({"file": "not base64!"}, "file"),
        ({"file": "é"}, "file"),
        ({"file": "/etc/passwd"}, "file"),
        ({"file": "data:audio/wav,plain"}, "file"),
        ({"response_format": "verbose"}, "response_format"),
        ({"timestamp_granularities": ["page"]}, "timestamp_granularities.0"),
        ({"model": "fal-ai/f5-tts"}, "model"),
    ],
)
def test_a_bad_field_is_named(
    sandbox: Sandbox, fields: dict[str, Any], named: str
) -> None:
    reply = transcribe(sandbox, **fields)
    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith(f"{named}: ")
