"""What the sandbox makes: the names of media, and the media from their names.

Nothing is stored. A name carries all that is needed to make the file again, and a
digest of the request in place of the prompt:

    image-1024x1024-DIGEST.png
    video-1280x720-30fps-5000ms-DIGEST.mp4
    speech-1600ms-DIGEST.mp3           or .wav, .opus, .aac
    music-30000ms-DIGEST.wav           or .mp3
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import orjson

from proxy.sandbox import errors, films, pictures, sounds

PATH = "/media/"
HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")
TYPES = {
    "png": "image/png",
    "mp4": "video/mp4",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "opus": "audio/ogg",
    "aac": "audio/aac",
}
SIZES = {
    "512x512": (512, 512),
    "1024x1024": (1024, 1024),
    "1792x1024": (1792, 1024),
    "1024x1792": (1024, 1792),
}
UPSCALE = {"": 1, "2x": 2, "4x": 4}
SHORT_SIDE = {"720p": 720, "1080p": 1080, "4k": 2160}
ASPECT = {"16:9": (16, 9), "9:16": (9, 16), "1:1": (1, 1), "4:3": (4, 3), "3:4": (3, 4)}
# The longest that the contract lets anybody order: 10,000 characters at the slowest
# speed, and the maxima of `duration_seconds`.
MILLIS_MAX = {"speech": 2_666_667, "music": 47_000, "video": 10_000}
NOTES_PER_SECOND = {"speech": 8, "music": 4}
IMAGE = re.compile(r"image-(\d{3,4})x(\d{3,4})-([0-9a-f]{32})\.png", re.ASCII)
VIDEO = re.compile(
    r"video-(\d{3,4})x(\d{3,4})-(30|60)fps-(\d{1,5})ms-([0-9a-f]{32})\.mp4", re.ASCII
)
SOUND = re.compile(
    r"(speech|music)-(\d{1,7})ms-([0-9a-f]{32})\.(mp3|wav|opus|aac)", re.ASCII
)


def digest(*parts: Any) -> str:
    """32 hexadecimal digits of whatever decides about the content."""
    return hashlib.blake2b(orjson.dumps(parts), digest_size=16).hexdigest()


def image_pixels(size: str, upscale: str = "") -> tuple[int, int]:
    """Width and height."""
    width, height = SIZES[size]
    return width * UPSCALE[upscale], height * UPSCALE[upscale]


def video_pixels(resolution: str, aspect_ratio: str) -> tuple[int, int]:
    """Width and height; the resolution is that of the short side."""
    across, down = ASPECT[aspect_ratio]
    side = SHORT_SIDE[resolution]
    return side * across // min(across, down), side * down // min(across, down)


IMAGE_PIXELS = {image_pixels(size, upscale) for size in SIZES for upscale in UPSCALE}
VIDEO_PIXELS = {video_pixels(short, shape) for short in SHORT_SIDE for shape in ASPECT}


def image_name(pixels: tuple[int, int], hexdigest: str) -> str:
    return f"image-{pixels[0]}x{pixels[1]}-{hexdigest}.png"


def video_name(pixels: tuple[int, int], fps: int, millis: int, hexdigest: str) -> str:
    return f"video-{pixels[0]}x{pixels[1]}-{fps}fps-{millis}ms-{hexdigest}.mp4"


def sound_name(kind: str, millis: int, hexdigest: str, extension: str) -> str:
    return f"{kind}-{millis}ms-{hexdigest}.{extension}"


def origin(scheme: str, host: str) -> str:
    """Where the caller reached us, so that it can reach the media.

    Raises: InvalidRequest for a Host that is none.
    """
    if not HOST.fullmatch(host):
        raise errors.InvalidRequest("Host", "is no host")
    return f"{scheme}://{host}"


def make(name: str) -> tuple[str, bytes]:
    """The content's type and the content.

    Raises: UnknownPath for every name that we would not have given.
    """
    if found := IMAGE.fullmatch(name):
        content = _image(*found.groups())
    elif found := VIDEO.fullmatch(name):
        content = _video(*found.groups())
    elif found := SOUND.fullmatch(name):
        content = _sound(*found.groups())
    else:
        raise errors.UnknownPath
    return TYPES[name.rpartition(".")[2]], content


def _image(width: str, height: str, hexdigest: str) -> bytes:
    pixels = int(width), int(height)
    if pixels not in IMAGE_PIXELS:
        raise errors.UnknownPath
    return pictures.png(*pixels, bytes.fromhex(hexdigest))


def _video(width: str, height: str, fps: str, millis: str, hexdigest: str) -> bytes:
    pixels = int(width), int(height)
    if pixels not in VIDEO_PIXELS:
        raise errors.UnknownPath
    return films.mp4(
        pictures.png(*pixels, bytes.fromhex(hexdigest)),
        width=pixels[0],
        height=pixels[1],
        millis=_checked("video", millis),
        fps=int(fps),
    )


def _sound(kind: str, millis: str, hexdigest: str, extension: str) -> bytes:
    length, seed = _checked(kind, millis), bytes.fromhex(hexdigest)
    match extension:
        case "wav":
            return sounds.wav(length, seed, notes_per_second=NOTES_PER_SECOND[kind])
        case "mp3":
            return sounds.mp3(length)
        case "aac":
            return sounds.aac(length)
        case _:
            return sounds.opus(length, seed)


def _checked(kind: str, millis: str) -> int:
    if not 1 <= int(millis) <= MILLIS_MAX[kind]:
        raise errors.UnknownPath
    return int(millis)
