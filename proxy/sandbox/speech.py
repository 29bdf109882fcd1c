"""Speech: a sound as long as somebody would need to say the text (see media.py)."""

from __future__ import annotations

import time
from decimal import Decimal

from proxy.sandbox import catalogue, contract, errors, failures, media, prices
from proxy.sandbox.work import Work

CHARACTERS_PER_SECOND = 15  # at speed 1


def plan(body: bytes, origin: str) -> Work:
    """Raises: Refusal (400, 404)."""
    fields = contract.parse(body, "TextToSpeechRequest")
    model = catalogue.find(fields["model"], "text_to_speech")
    text = fields["input"]
    if not text:
        raise errors.invalid("input", "must not be empty")
    a_second = CHARACTERS_PER_SECOND * Decimal(str(fields["speed"]))
    millis = contract.whole_millis(len(text) / a_second)
    return Work(
        operation="audio.speech",
        model=model,
        marks=failures.read(text),
        output={
            "created": int(time.time()),
            "audio_url": media.address(
                origin, f"speech-{millis}ms", fields["response_format"], fields
            ),
            "duration_seconds": millis / 1000,
            "character_count": len(text),
        },
        breakdown=prices.speech(len(text)),
    )
