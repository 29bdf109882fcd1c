"""Videos and music, made at once; as jobs they are in test_jobs."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.upstream import schemas
from tests.support.sandbox import media_files
from tests.support.sandbox.server import Sandbox

VIDEO = "/videos/generations?async=false"
MUSIC = "/music/generations?async=false"


def test_a_video_keeps_the_contract_and_is_charged(sandbox: Sandbox) -> None:
    reply = sandbox.post(VIDEO, prompt="Waves", duration_seconds=2.5, fps=60)
    body = reply.json()
    schemas.validator("VideoGenerationResponse").validate(body)
    assert body["data"]["duration_seconds"] == 2.5
    assert body["usage"] == {
        "credits_used": 75,
        "credits_breakdown": {"generation": 50, "quality": 25},
    }
    entry = sandbox.charge(reply)
    assert (entry["operation"], entry["credits"]) == ("videos.generations", 75)


@pytest.mark.parametrize(
    ("resolution", "aspect_ratio", "pixels"),
    [
        ("720p", "16:9", (1280, 720)),
        ("720p", "9:16", (720, 1280)),
        ("1080p", "1:1", (1080, 1080)),
        ("1080p", "4:3", (1440, 1080)),
        ("4k", "3:4", (2160, 2880)),
    ],
)
def test_the_reply_and_the_name_say_what_was_ordered(
    sandbox: Sandbox, resolution: str, aspect_ratio: str, pixels: tuple[int, int]
) -> None:
    made = sandbox.post(
        VIDEO, prompt="Waves", resolution=resolution, aspect_ratio=aspect_ratio
    ).json()["data"]
    assert (made["width"], made["height"]) == pixels
    assert made["duration_seconds"] == 5
    assert f"/media/video-{pixels[0]}x{pixels[1]}-5000ms-" in made["url"]
    assert media_files.fetch(made["url"], "video/mp4") == media_files.sample("mp4")


def test_music_keeps_the_contract_and_is_charged(sandbox: Sandbox) -> None:
    reply = sandbox.post(
        MUSIC, prompt="A slow waltz", duration_seconds=3.25, output_format="wav"
    )
    body = reply.json()
    schemas.validator("MusicGenerationResponse").validate(body)
    assert body["data"]["duration_seconds"] == 3.25
    assert body["usage"] == {"credits_used": 7, "credits_breakdown": {"generation": 7}}
    entry = sandbox.charge(reply)
    assert (entry["operation"], entry["credits"]) == ("music.generations", 7)
    tune = media_files.fetch(body["data"]["audio_url"], "audio/wav")
    assert media_files.wav_millis(tune) == 3250


def test_music_is_mp3_if_nothing_is_said(sandbox: Sandbox) -> None:
    data = sandbox.post(MUSIC, prompt="A slow waltz").json()["data"]
    assert data["duration_seconds"] == 30
    tune = media_files.fetch(data["audio_url"], "audio/mpeg")
    assert tune == media_files.sample("mp3")
    assert "/media/music-30000ms-" in data["audio_url"]


def test_the_same_prompt_gives_the_same_video_and_tune(sandbox: Sandbox) -> None:
    for path in (VIDEO, MUSIC):
        first, again, other = (
            sandbox.post(path, prompt=prompt).json()["data"]
            for prompt in ("One", "One", "Two")
        )
        assert first == again
        assert first != other


@pytest.mark.parametrize(
    ("path", "fields", "named"),
    [
        (VIDEO, {"duration_seconds": 10.5}, "duration_seconds"),
        (VIDEO, {"duration_seconds": 0}, "duration_seconds"),
        (VIDEO, {"fps": 24}, "fps"),
        (VIDEO, {"resolution": "8k"}, "resolution"),
        (VIDEO, {"mode": "image_to_video"}, "source_image"),
        (VIDEO, {"mode": "video_to_video", "source_video": None}, "source_video"),
        (VIDEO, {"model": "fal-ai/stable-audio"}, "model"),
        (MUSIC, {"duration_seconds": 48}, "duration_seconds"),
        (MUSIC, {"output_format": "opus"}, "output_format"),
        (MUSIC, {"mode": "audio_to_audio"}, "source_audio"),
    ],
)
def test_a_bad_field_is_named(
    sandbox: Sandbox, path: str, fields: dict[str, Any], named: str
) -> None:
    reply = sandbox.post(path, prompt="x", **fields)
    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith(f"{named}: ")


def test_a_mode_with_its_source_is_accepted(sandbox: Sandbox) -> None:
    source = "https://example.org/a"
    for path, mode, field in (
        (VIDEO, "image_to_video", "source_image"),
        (MUSIC, "audio_to_audio", "source_audio"),
    ):
        reply = sandbox.post(path, **{"prompt": "x", "mode": mode, field: source})
        assert reply.status_code == 200
