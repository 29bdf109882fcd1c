"""Videos: an MP4 film of the ordered length, size and frames."""

from __future__ import annotations

import time

from proxy.sandbox import catalogue, contract, errors, failures, media, prices
from proxy.sandbox.work import Work

MODEL_DEFAULT = "fal-ai/minimax/hailuo-02/standard/text-to-video"
SECONDS_DEFAULT = 5
# What a mode works on must come with it.
SOURCES = {"image_to_video": "source_image", "video_to_video": "source_video"}


def plan(body: bytes, origin: str) -> Work:
    """Raises: InvalidRequest, ModelNotFound."""
    fields = contract.parse(body, "VideoGenerationRequest")
    model = catalogue.find(fields.get("model", MODEL_DEFAULT), category="video")
    source = SOURCES.get(fields.get("mode", ""))
    if source and source not in fields:
        raise errors.InvalidRequest(source, f"the mode {fields['mode']} needs it")
    millis = contract.millis(fields.get("duration_seconds", SECONDS_DEFAULT))
    resolution = fields.get("resolution", "720p")
    fps = int(fields.get("fps", 30))
    pixels = media.video_pixels(resolution, fields.get("aspect_ratio", "16:9"))
    drawn = media.digest(
        model.id,
        fields["prompt"],
        fields.get("negative_prompt"),
        fields.get("seed"),
        source and fields[source],
    )
    name = media.video_name(pixels, fps, millis, drawn)
    return Work(
        operation="videos.generations",
        model=model,
        marks=failures.read(fields["prompt"]),
        output={
            "created": int(time.time()),
            "data": {
                "url": f"{origin}{media.PATH}{name}",
                "duration_seconds": millis / 1000,
                "width": pixels[0],
                "height": pixels[1],
            },
        },
        breakdown=prices.video(millis, resolution=resolution, fps=fps),
    )
