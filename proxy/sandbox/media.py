"""The addresses of the sandbox's media, and the files behind them.

Every file of a kind is the same small sample, whatever its name and the reply say of
size and length. Only a WAV is as long as ordered, because a transcription is priced by
the length of its audio. A digest keeps the addresses of different requests apart:

    image-1024x1024-DIGEST.png
    video-1280x720-5000ms-DIGEST.mp4
    speech-1600ms-DIGEST.mp3           or .wav, .opus, .aac
    music-30000ms-DIGEST.wav           or .mp3
"""

from __future__ import annotations

import io
import re
import wave
from pathlib import Path

from proxy.sandbox import errors

SAMPLES = Path(__file__).resolve().parent / "samples"
HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}")
TYPES = {
    "png": "image/png",
    "mp4": "video/mp4",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "opus": "audio/ogg",
    "aac": "audio/aac",
}
NAME = re.compile(
    r"(?:image|video|speech|music)(?:-\d{3,4}x\d{3,4})?(?:-(?P<millis>\d{1,7})ms)?"
    rf"-[0-9a-f]{{32}}\.(?P<extension>{'|'.join(TYPES)})",
    re.ASCII,
)
# The longest that the contract lets anybody order: 10,000 characters of speech at
# the slowest speed.
WAV_MILLIS_MAX = 2_666_667
WAV_SAMPLES_PER_MS = 8
WAV_PERIOD = 10 * b"\x00\x04" + 10 * b"\x00\xfc"  # 400 Hz, 16 bits a sample


def origin(scheme: str, host: str) -> str:
    """Where the caller reached us, so that it can reach the media.

    Raises: Refusal (400) for a Host header that is not a host.
    """
    if not HOST.fullmatch(host):
        raise errors.invalid("Host", "is not a host")
    return f"{scheme}://{host}"


def read(name: str) -> tuple[str, bytes]:
    """The content type and the content of a file.

    Raises: Refusal (404) for a name that the sandbox does not give.
    """
    found = NAME.fullmatch(name)
    if found is None:
        raise errors.Refusal("not_found")
    extension = found["extension"]
    if extension == "wav":
        return TYPES[extension], wav(int(found["millis"] or 0))
    return TYPES[extension], (SAMPLES / f"sample.{extension}").read_bytes()


def wav(millis: int) -> bytes:
    """A tone. Raises: Refusal (404) for a length that nobody can order."""
    if not 1 <= millis <= WAV_MILLIS_MAX:
        raise errors.Refusal("not_found")
    size = 2 * millis * WAV_SAMPLES_PER_MS
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(1000 * WAV_SAMPLES_PER_MS)
        writer.writeframes((WAV_PERIOD * (size // len(WAV_PERIOD) + 1))[:size])
    return file.getvalue()
