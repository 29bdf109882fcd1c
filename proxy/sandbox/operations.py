"""The operations but chat: what each makes of a request, and for how much.

The files are samples (see media.py); sources that come with a request are never
fetched.
"""

from __future__ import annotations

import hashlib
import math
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from proxy.sandbox import (
    catalogue,
    contract,
    errors,
    failures,
    prices,
    tokens,
    transcriptions,
)
from proxy.sandbox.work import Work

DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
DIMENSIONS_LARGEST = 3072
INPUTS_LARGEST = 2048
SHORT_SIDE = {"720p": 720, "1080p": 1080, "4k": 2160}
CHARACTERS_PER_SECOND = 15  # of speech, at speed 1
# What a mode works on must come with it.
SOURCES = {
    "image_to_video": "source_image",
    "video_to_video": "source_video",
    "audio_to_audio": "source_audio",
}
# Where a mark of `failures` may stand. Base64 has no brackets to hold one.
MARKED = ("prompt", "input", "language", "file")


@dataclass(frozen=True, slots=True)
class Call:
    """An accepted request."""

    operation: str
    model: catalogue.Model
    fields: dict[str, Any]  # with the contract's defaults
    origin: str  # where the caller reached us

    def address(self, label: str, extension: str, *more: int) -> str:
        """Where the file is; the same request always has the same one."""
        request = orjson.dumps([self.fields, *more])
        digest = hashlib.blake2b(request, digest_size=16).hexdigest()
        return f"{self.origin}/media/{label}-{digest}.{extension}"

    def work(
        self, output: dict[str, Any], breakdown: dict[str, int], **more: Any
    ) -> Work:
        said = " ".join(str(self.fields.get(name, "")) for name in MARKED)
        return Work(
            operation=self.operation,
            model=self.model,
            marks=failures.read(said),
            output=output,
            breakdown=breakdown,
            **more,
        )


def embed(call: Call) -> Work:
    fields, model = call.fields, call.model.id
    dimensions = contract.whole_number(
        fields, "dimensions", default=DIMENSIONS[model], largest=DIMENSIONS_LARGEST
    )
    texts = [fields["input"]] if isinstance(fields["input"], str) else fields["input"]
    if not 1 <= len(texts) <= INPUTS_LARGEST:
        raise errors.invalid("input", f"must have 1 to {INPUTS_LARGEST} texts")
    vectors = [vector(model, text, dimensions) for text in texts]
    data = [
        {"object": "embedding", "index": index, "embedding": values}
        for index, values in enumerate(vectors)
    ]
    count = sum(map(tokens.count, texts))
    return call.work(
        {"object": "list", "data": data},
        prices.embedding(count),
        tokens={"prompt_tokens": count, "total_tokens": count},
        names_credits=False,
    )


def vector(model: str, text: str, dimensions: int) -> list[float]:
    """A vector of length 1; the same text always has the same direction."""
    # SHAKE gives any number of bytes in one call: 0.2 ms for the largest vector.
    digest = hashlib.shake_256(f"{model}\0{text}".encode()).digest(2 * dimensions)
    values = struct.unpack(f"<{dimensions}h", digest)
    # One dimension can draw a zero, which has no direction.
    length = math.hypot(*values)
    return [value / length for value in values] if length else [1.0] * dimensions


def make_images(call: Call) -> Work:
    fields = call.fields
    size, upscale, count = fields["size"], fields.get("upscale", ""), int(fields["n"])
    return call.work(
        images(call, count=count, factor=int(upscale.removesuffix("x") or 1)),
        prices.images(call.model.tier, size=size, upscale=upscale, count=count),
    )


def edit_image(call: Call) -> Work:
    return call.work(images(call), prices.image_edit(call.fields["size"]))


def images(call: Call, *, count: int = 1, factor: int = 1) -> dict[str, Any]:
    """The reply's images; `factor` enlarges both sides."""
    width, height = (int(side) * factor for side in call.fields["size"].split("x"))
    data = [
        {
            "url": call.address(f"image-{width}x{height}", "png", index),
            "revised_prompt": call.fields["prompt"],
            "width": width,
            "height": height,
        }
        for index in range(count)
    ]
    return {"created": int(time.time()), "data": data}


def make_video(call: Call) -> Work:
    fields, resolution = call.fields, call.fields["resolution"]
    check_source(fields)
    millis = contract.millis(fields["duration_seconds"])
    # The resolution is that of the short side.
    ratio = [int(side) for side in fields["aspect_ratio"].split(":")]
    width, height = (SHORT_SIDE[resolution] * side // min(ratio) for side in ratio)
    data = {
        "url": call.address(f"video-{width}x{height}-{millis}ms", "mp4"),
        "duration_seconds": millis / 1000,
        "width": width,
        "height": height,
    }
    return call.work(
        {"created": int(time.time()), "data": data},
        prices.video(millis, resolution=resolution, fps=int(fields["fps"])),
    )


def make_music(call: Call) -> Work:
    check_source(call.fields)
    millis = contract.millis(call.fields["duration_seconds"])
    address = call.address(f"music-{millis}ms", call.fields["output_format"])
    data = {"audio_url": address, "duration_seconds": millis / 1000}
    return call.work({"created": int(time.time()), "data": data}, prices.music(millis))


def check_source(fields: dict[str, Any]) -> None:
    source = SOURCES.get(fields["mode"])
    if source and source not in fields:
        raise errors.invalid(source, f"the mode {fields['mode']} needs it")


def speak(call: Call) -> Work:
    """A sound as long as somebody would need to say the text."""
    text, speed = call.fields["input"], Decimal(str(call.fields["speed"]))
    if not text:
        raise errors.invalid("input", "must not be empty")
    millis = contract.millis(len(text) / (CHARACTERS_PER_SECOND * speed))
    output = {
        "created": int(time.time()),
        "audio_url": call.address(f"speech-{millis}ms", call.fields["response_format"]),
        "duration_seconds": millis / 1000,
        "character_count": len(text),
    }
    return call.work(output, prices.speech(len(text)))


def transcribe(call: Call) -> Work:
    millis, digest = transcriptions.measure(call.fields["file"])
    output = transcriptions.write(call.fields, millis, digest)
    return call.work(output, prices.transcription(millis))


class Operation(NamedTuple):
    schema: str
    capability: str  # that the model must have
    answer: Callable[[Call], Work]
    is_job: bool | None = None  # where `?async=` is absent; None: never a job


OPERATIONS = {
    "embeddings": Operation("EmbeddingRequest", "embedding", embed),
    "images/generations": Operation(
        "ImageGenerationRequest", "text_to_image", make_images, is_job=False
    ),
    "images/edits": Operation("ImageEditRequest", "image_to_image", edit_image),
    "videos/generations": Operation(
        "VideoGenerationRequest", "text_to_video", make_video, is_job=True
    ),
    "music/generations": Operation(
        "MusicGenerationRequest", "text_to_music", make_music, is_job=True
    ),
    "audio/speech": Operation("TextToSpeechRequest", "text_to_speech", speak),
    "audio/transcriptions": Operation(
        "SpeechToTextRequest", "speech_to_text", transcribe
    ),
}


def plan(route: str, body: bytes, origin: str) -> Work:
    """Read a request and decide the whole answer. Raises: Refusal (400, 404)."""
    operation = OPERATIONS[route]
    fields = contract.parse(body, operation.schema)
    model = catalogue.find(fields["model"], operation.capability)
    return operation.answer(Call(route.replace("/", "."), model, fields, origin))
