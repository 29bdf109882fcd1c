"""Speech: a sound as long as somebody would need to say the text."""

from __future__ import annotations

import time
from decimal import Decimal

from proxy.sandbox import catalogue, contract, errors, failures, media, prices
from proxy.sandbox.work import Work

MODEL_DEFAULT = "fal-ai/f5-tts"
CHARACTERS_PER_SECOND = 15


def plan(body: bytes, origin: str) -> Work:
    """Raises: InvalidRequest, ModelNotFound."""
    fields = contract.parse(body, "TextToSpeechRequest")
    model = catalogue.find(
        fields.get("model", MODEL_DEFAULT),
        category="audio",
        capability="text_to_speech",
    )
    text = fields["input"]
    if not text:
        raise errors.InvalidRequest("input", "must not be empty")
    millis = spoken_millis(len(text), fields.get("speed", 1))
    extension = fields.get("response_format", "mp3")
    return Work(
        operation="audio.speech",
        model=model,
        marks=failures.read(text),
        output={
            "created": int(time.time()),
            "audio_url": media.address(origin, f"speech-{millis}ms", extension, fields),
            "duration_seconds": millis / 1000,
            "character_count": len(text),
        },
        breakdown=prices.speech(len(text)),
    )


def spoken_millis(characters: int, speed: float) -> int:
    """15 characters a second at speed 1, rounded up to a millisecond."""
    a_second = CHARACTERS_PER_SECOND * Decimal(str(speed))
    return contract.whole_millis(characters / a_second)
