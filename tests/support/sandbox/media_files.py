"""What tests look for in a file of the sandbox's: it is the sample, or a WAV."""

from __future__ import annotations

import io
import wave

import httpx

from proxy.sandbox.media import SAMPLES


def fetch(url: str, content_type: str) -> bytes:
    """A file from the sandbox, without a key."""
    reply = httpx.get(url).raise_for_status()
    assert reply.headers["content-type"] == content_type
    assert reply.headers["content-length"] == str(len(reply.content))
    return reply.content


def sample(extension: str) -> bytes:
    """The one file of this kind that the sandbox has."""
    return (SAMPLES / f"sample.{extension}").read_bytes()


def wav_millis(content: bytes) -> float:
    """The length of a WAV that is 16-bit, mono, complete and not silent."""
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        frames = file.readframes(file.getnframes())
        assert len(frames) == 2 * file.getnframes()
        assert any(frames)
        rate: int = file.getframerate()
        return 1000 * len(frames) / 2 / rate
