"""The only place that says what the sandbox charges, in whole credits.

Chat: per 1,000 tokens, each part rounded up to a whole credit of its own.

    tier       prompt  completion
    fast            1           2
    standard        5          10
    premium        10          30

`web_search` adds 5 to a call, each image URL in a message adds 2. With `n` choices
the prompt is charged once and the tokens of all choices together. The parts are
the reply's `credits_breakdown` and always sum to `credits_used`; the prompt part is
at least 1, and so is the charge.

Embeddings: 1 credit per 1,000 tokens over all inputs, rounded up, at least 1.

Media: every price below is rounded up once for the call (images: once for each
image) and is at least 1.

    images         per image fast 4, standard 10, premium 25
                   512x512 × 1/2; 1792x1024 and 1024x1792 × 2
                   upscale 2x × 2, 4x × 4
    image edits    12 per edit; 512x512 × 1/2
    videos         20 per second; 1080p × 2, 4k × 4; 60 frames a second × 3/2
    music          2 per second
    speech         15 per 1,000 characters
    transcription  1 per 10 seconds of audio
"""

from __future__ import annotations

RATES = {"fast": (1, 2), "standard": (5, 10), "premium": (10, 30)}
EMBEDDING_RATE = 1
WEB_SEARCH = 5
IMAGE = 2
IMAGE_RATES = {"fast": 4, "standard": 10, "premium": 25}
EDIT_RATE = 12
# In halves, so that every factor is a whole number.
SIZE_HALVES = {"512x512": 1, "1024x1024": 2, "1792x1024": 4, "1024x1792": 4}
UPSCALE = {"": 1, "2x": 2, "4x": 4}
VIDEO_RATE = 20
RESOLUTION = {"720p": 1, "1080p": 2, "4k": 4}
FPS_HALVES = {30: 2, 60: 3}
MUSIC_RATE = 2
SPEECH_RATE = 15
TRANSCRIPTION_SECONDS = 10


def chat(
    tier: str, *, prompt: int, completion: int, images: int, web_search: bool
) -> dict[str, int]:
    """The breakdown of one chat call, from its counts."""
    prompt_rate, completion_rate = RATES[tier]
    breakdown = {
        "prompt": whole(prompt * prompt_rate, 1000),
        # Unlike every other part it may be 0: an answer that was cut at once.
        "completion": -(-completion * completion_rate // 1000),
    }
    if web_search:
        breakdown["web_search"] = WEB_SEARCH
    if images:
        breakdown["images"] = images * IMAGE
    return breakdown


def embedding(tokens: int) -> dict[str, int]:
    return {"prompt": whole(tokens * EMBEDDING_RATE, 1000)}


def images(tier: str, *, size: str, upscale: str, count: int) -> dict[str, int]:
    """The breakdown of `count` images; `upscale` is empty for none."""
    halves = IMAGE_RATES[tier] * SIZE_HALVES[size]
    plain = whole(halves, 2) * count
    total = whole(halves * UPSCALE[upscale], 2) * count
    return parts("generation", plain, total, "upscale")


def image_edit(size: str) -> dict[str, int]:
    return {"edit": whole(EDIT_RATE * SIZE_HALVES[size], 2)}


def video(millis: int, *, resolution: str, fps: int) -> dict[str, int]:
    plain = whole(millis * VIDEO_RATE, 1000)
    dear = millis * VIDEO_RATE * RESOLUTION[resolution] * FPS_HALVES[fps]
    return parts("generation", plain, whole(dear, 2 * 1000), "quality")


def music(millis: int) -> dict[str, int]:
    return {"generation": whole(millis * MUSIC_RATE, 1000)}


def speech(characters: int) -> dict[str, int]:
    return {"characters": whole(characters * SPEECH_RATE, 1000)}


def transcription(millis: int) -> dict[str, int]:
    return {"audio": whole(millis, TRANSCRIPTION_SECONDS * 1000)}


def whole(numerator: int, denominator: int) -> int:
    """The quotient rounded up to whole credits, at least 1."""
    return max(1, -(-numerator // denominator))


def parts(name: str, plain: int, total: int, extra: str) -> dict[str, int]:
    """The plain price, and what the extras add to it if they add anything."""
    return {name: plain, extra: total - plain} if total > plain else {name: plain}
