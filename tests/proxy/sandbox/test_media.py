"""Media come from names that the sandbox gives, and from no others."""

from __future__ import annotations

import httpx
import pytest

from proxy.sandbox import media
from tests.support.sandbox import media_files
from tests.support.sandbox.server import Sandbox

DIGEST = "0123456789abcdef" * 2


def ask(sandbox: Sandbox, name: str, method: str = "GET") -> httpx.Response:
    root = sandbox.base_url.removesuffix("/api/v1")
    return httpx.request(method, f"{root}/media/{name}")


@pytest.mark.parametrize(
    "name",
    [
        f"image-1x1-{DIGEST}.png",
        f"image-9999x9999-{DIGEST}.png",
        f"image-512x512-{DIGEST}.jpg",
        f"image-512x512-{DIGEST[:-1]}.png",
        f"image-512x512-{DIGEST.upper()}.png",
        f"image-512x512-{DIGEST}.png%0A",
        f"image-٥١٢x512-{DIGEST}.png",
        f"../media/x-image-512x512-{DIGEST}.png",
        "..%2F..%2Fmanage.py",
        "%2Fetc%2Fpasswd",
        "",
        f"video-1280x721-30fps-5000ms-{DIGEST}.mp4",
        f"video-1280x720-24fps-5000ms-{DIGEST}.mp4",
        f"video-1280x720-30fps-10001ms-{DIGEST}.mp4",
        f"speech-0ms-{DIGEST}.mp3",
        f"speech-2666668ms-{DIGEST}.mp3",
        f"music-47001ms-{DIGEST}.wav",
        f"noise-1000ms-{DIGEST}.wav",
    ],
)
def test_any_other_name_is_not_found(sandbox: Sandbox, name: str) -> None:
    assert ask(sandbox, name).status_code == 404


def test_media_can_only_be_read(sandbox: Sandbox) -> None:
    name = f"image-512x512-{DIGEST}.png"
    assert ask(sandbox, name).status_code == 200
    assert ask(sandbox, name, "DELETE").status_code == 405


def test_the_longest_speech_is_a_valid_file() -> None:
    millis = media.MILLIS_MAX["speech"]
    for extension, millis_of in (
        ("mp3", media_files.mp3_millis),
        ("aac", media_files.aac_millis),
    ):
        _, content = media.make(f"speech-{millis}ms-{DIGEST}.{extension}")
        assert 0 <= millis_of(content) - millis < 25


def test_the_largest_picture_is_small() -> None:
    _, content = media.make(f"image-7168x4096-{DIGEST}.png")
    assert media_files.png(content)[:2] == (7168, 4096)
    assert len(content) < 1_000_000
