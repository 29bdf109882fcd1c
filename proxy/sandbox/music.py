"""Music: the ordered length, priced; the file is a sample (see media.py)."""

from __future__ import annotations

import time

from proxy.sandbox import catalogue, contract, errors, failures, media, prices
from proxy.sandbox.work import Work


def plan(body: bytes, origin: str) -> Work:
    """Raises: Refusal (400, 404)."""
    fields = contract.parse(body, "MusicGenerationRequest")
    model = catalogue.find(fields["model"], "text_to_music")
    if fields["mode"] == "audio_to_audio" and "source_audio" not in fields:
        raise errors.invalid("source_audio", "the mode audio_to_audio needs it")
    millis = contract.millis(fields["duration_seconds"])
    address = media.address(
        origin, f"music-{millis}ms", fields["output_format"], fields
    )
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
