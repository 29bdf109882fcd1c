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
        f"image-512x512-{DIGEST}.jpg",
        f"image-512x512-{DIGEST[:-1]}.png",
        f"image-512x512-{DIGEST.upper()}.png",
        f"image-512x512-{DIGEST}.png%0A",
        f"image-٥١٢x512-{DIGEST}.png",
        f"../media/x-image-512x512-{DIGEST}.png",
        "..%2F..%2Fmanage.py",
        "%2Fetc%2Fpasswd",
        "",
        f"video-1280x720-123456789ms-{DIGEST}.mp4",
        f"speech-{DIGEST}.wav",
        f"speech-0ms-{DIGEST}.wav",
        f"speech-2666668ms-{DIGEST}.wav",
        f"noise-1000ms-{DIGEST}.wav",
    ],
)
def test_any_other_name_is_not_found(sandbox: Sandbox, name: str) -> None:
    assert ask(sandbox, name).status_code == 404


def test_media_can_only_be_read(sandbox: Sandbox) -> None:
    name = f"image-512x512-{DIGEST}.png"
    assert ask(sandbox, name).status_code == 200
    assert ask(sandbox, name, "DELETE").status_code == 405


@pytest.mark.parametrize(
    ("extension", "beginning"),
    [
        ("png", b"\x89PNG\r\n\x1a\n"),
        ("mp4", b"\0\0\0\x20ftypisom"),
        ("mp3", b"\xff\xf3"),
        ("opus", b"OggS"),
        ("aac", b"\xff\xf1"),
    ],
)
def test_a_sample_is_of_its_kind_and_small(extension: str, beginning: bytes) -> None:
    """That they can be played was seen with ffprobe when they were made."""
    content = media_files.sample(extension)
    assert content.startswith(beginning)
    assert len(content) < 2000


def test_the_longest_wav_is_as_long_as_ordered() -> None:
    millis = media.WAV_MILLIS_MAX
    _, content = media.read(f"speech-{millis}ms-{DIGEST}.wav")
    assert media_files.wav_millis(content) == millis
