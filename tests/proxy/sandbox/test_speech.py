"""Speech: length, price and the four formats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from proxy.upstream import contract
from tests.support.sandbox import media_files
from tests.support.sandbox.server import Sandbox

TEXT = "Ships come and ships go."  # 24 characters, 1.6 seconds


def test_the_reply_keeps_the_contract_and_is_charged(sandbox: Sandbox) -> None:
    reply = sandbox.post("/audio/speech", input=TEXT * 5)
    body = reply.json()
    contract.validator("TextToSpeechResponse").validate(body)
    assert (body["character_count"], body["duration_seconds"]) == (120, 8)
    assert body["usage"] == {"credits_used": 2, "credits_breakdown": {"characters": 2}}
    entry = sandbox.charge(reply)
    assert (entry["operation"], entry["credits"]) == ("audio.speech", 2)


@pytest.mark.parametrize(
    ("extension", "content_type", "millis_of", "frame_millis"),
    [
        ("mp3", "audio/mpeg", media_files.mp3_millis, 24),
        ("wav", "audio/wav", media_files.wav_millis, 1),
        ("aac", "audio/aac", media_files.aac_millis, 22),
        ("opus", "audio/ogg", media_files.opus_millis, 20),
    ],
)
def test_the_sound_is_in_the_ordered_format_and_of_the_told_length(
    sandbox: Sandbox,
    extension: str,
    content_type: str,
    millis_of: Callable[[bytes], float],
    frame_millis: int,
) -> None:
    body = sandbox.post("/audio/speech", input=TEXT, response_format=extension).json()
    assert body["audio_url"].endswith(f".{extension}")
    millis = millis_of(media_files.fetch(body["audio_url"], content_type))
    assert 0 <= millis - 1000 * body["duration_seconds"] < frame_millis


@pytest.mark.parametrize(
    ("speed", "seconds"), [(0.25, 6.4), (1, 1.6), (4, 0.4), (0.7, 2.286)]
)
def test_fast_speech_is_shorter(sandbox: Sandbox, speed: float, seconds: float) -> None:
    reply = sandbox.post("/audio/speech", input=TEXT, speed=speed)
    assert reply.json()["duration_seconds"] == seconds


def test_voices_differ_and_the_same_voice_does_not(sandbox: Sandbox) -> None:
    urls = [
        sandbox.post("/audio/speech", input=TEXT, voice=voice).json()["audio_url"]
        for voice in ("echo", "onyx", "echo")
    ]
    assert urls[0] == urls[2] != urls[1]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"input": ""}, "input"),
        ({"input": "x" * 10_001}, "input"),
        ({"voice": "nobody"}, "voice"),
        ({"speed": 5}, "speed"),
        ({"response_format": "flac"}, "response_format"),
        ({"model": "fal-ai/whisper"}, "model"),
    ],
)
def test_a_bad_field_is_named(
    sandbox: Sandbox, fields: dict[str, Any], named: str
) -> None:
    reply = sandbox.post("/audio/speech", **{"input": TEXT, **fields})
    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith(f"{named}: ")
