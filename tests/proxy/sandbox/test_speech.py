"""Speech: length, price and the four formats."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.upstream import schemas
from tests.support.sandbox import media_files
from tests.support.sandbox.server import Sandbox

TEXT = "Ships come and ships go."  # 24 characters, 1.6 seconds


def test_the_reply_keeps_the_contract_and_is_charged(sandbox: Sandbox) -> None:
    reply = sandbox.post("/audio/speech", input=TEXT * 5)
    body = reply.json()
    schemas.validator("TextToSpeechResponse").validate(body)
    assert (body["character_count"], body["duration_seconds"]) == (120, 8)
    assert body["usage"] == {"credits_used": 2, "credits_breakdown": {"characters": 2}}
    entry = sandbox.charge(reply)
    assert (entry["operation"], entry["credits"]) == ("audio.speech", 2)


def test_a_wav_is_as_long_as_the_reply_says(sandbox: Sandbox) -> None:
    body = sandbox.post("/audio/speech", input=TEXT, response_format="wav").json()
    wav = media_files.fetch(body["audio_url"], "audio/wav")
    assert media_files.wav_millis(wav) == 1000 * body["duration_seconds"] == 1600


@pytest.mark.parametrize(
    ("extension", "content_type"),
    [("mp3", "audio/mpeg"), ("aac", "audio/aac"), ("opus", "audio/ogg")],
)
def test_the_other_formats_are_samples_whose_name_says_the_length(
    sandbox: Sandbox, extension: str, content_type: str
) -> None:
    body = sandbox.post("/audio/speech", input=TEXT, response_format=extension).json()
    sound = media_files.fetch(body["audio_url"], content_type)
    assert sound == media_files.sample(extension)
    assert "/media/speech-1600ms-" in body["audio_url"]


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
