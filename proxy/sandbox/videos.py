"""Videos: the ordered length and size, priced; the file is a sample (see media.py)."""

from __future__ import annotations

import time

from proxy.sandbox import catalogue, contract, errors, failures, media, prices
from proxy.sandbox.work import Work

SHORT_SIDE = {"720p": 720, "1080p": 1080, "4k": 2160}
# What a mode works on must come with it.
SOURCES = {"image_to_video": "source_image", "video_to_video": "source_video"}


def plan(body: bytes, origin: str) -> Work:
    """Raises: Refusal (400, 404)."""
    fields = contract.parse(body, "VideoGenerationRequest")
    model = catalogue.find(fields["model"], "text_to_video")
    source = SOURCES.get(fields["mode"])
    if source and source not in fields:
        raise errors.invalid(source, f"the mode {fields['mode']} needs it")
    millis = contract.millis(fields["duration_seconds"])
    width, height = pixels(fields["resolution"], fields["aspect_ratio"])
    label = f"video-{width}x{height}-{millis}ms"
    return Work(
        operation="videos.generations",
        model=model,
        marks=failures.read(fields["prompt"]),
        output={
            "created": int(time.time()),
            "data": {
                "url": media.address(origin, label, "mp4", fields),
                "duration_seconds": millis / 1000,
                "width": width,
                "height": height,
            },
        },
        breakdown=prices.video(
            millis, resolution=fields["resolution"], fps=int(fields["fps"])
        ),
    )


def pixels(resolution: str, aspect_ratio: str) -> tuple[int, int]:
    """Width and height; the resolution is that of the short side."""
    across, down = map(int, aspect_ratio.split(":"))
    side = SHORT_SIDE[resolution]
    return side * across // min(across, down), side * down // min(across, down)
