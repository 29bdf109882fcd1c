"""The only place that says what the sandbox charges, in whole credits.

What checks the gateway's charges shares no arithmetic with it. Every price is rounded
up once for the call (chat: each part; images: each image) and is at least 1.

With `n` choices of a chat the prompt is charged once and the tokens of all choices
together. The parts are the reply's `credits_breakdown` and always sum to
`credits_used`.
"""

from __future__ import annotations

# Prompt and completion, per 1,000 tokens.
RATES = {"fast": (1, 2), "standard": (5, 10), "premium": (10, 30)}
EMBEDDING_RATE = 1  # per 1,000 tokens over all inputs
WEB_SEARCH = 5  # per call
IMAGE = 2  # per image URL in a message
IMAGE_RATES = {"fast": 4, "standard": 10, "premium": 25}  # per image
EDIT_RATE = 12  # per edit
# Factors in halves, so that each is a whole number.
SIZE_HALVES = {"512x512": 1, "1024x1024": 2, "1792x1024": 4, "1024x1792": 4}
UPSCALE = {"": 1, "2x": 2, "4x": 4}
VIDEO_RATE = 20  # per second
RESOLUTION = {"720p": 1, "1080p": 2, "4k": 4}
FPS_HALVES = {30: 2, 60: 3}
MUSIC_RATE = 2  # per second
SPEECH_RATE = 15  # per 1,000 characters
TRANSCRIPTION_SECONDS = 10  # of audio, for 1 credit


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
