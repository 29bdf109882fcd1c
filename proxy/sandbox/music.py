"""Music: the ordered length, priced; the file is a sample (see media.py)."""

from __future__ import annotations

import time

from proxy.sandbox import catalogue, contract, errors, failures, media, prices
from proxy.sandbox.work import Work

MODEL_DEFAULT = "fal-ai/stable-audio"
SECONDS_DEFAULT = 30


def plan(body: bytes, origin: str) -> Work:
    """Raises: InvalidRequest, ModelNotFound."""
    fields = contract.parse(body, "MusicGenerationRequest")
    model = catalogue.find(fields.get("model", MODEL_DEFAULT), category="music")
    if fields.get("mode") == "audio_to_audio" and "source_audio" not in fields:
        raise errors.InvalidRequest("source_audio", "the mode audio_to_audio needs it")
    millis = contract.millis(fields.get("duration_seconds", SECONDS_DEFAULT))
    extension = fields.get("output_format", "mp3")
    address = media.address(origin, f"music-{millis}ms", extension, fields)
    return Work(
        operation="music.generations",
        model=model,
        marks=failures.read(fields["prompt"]),
        output={
            "created": int(time.time()),
            "data": {"audio_url": address, "duration_seconds": millis / 1000},
        },
        breakdown=prices.music(millis),
    )
