"""Images: generated from a prompt or edited; the file is a sample (see media.py)."""

from __future__ import annotations

import time
from typing import Any

from proxy.sandbox import catalogue, contract, failures, media, prices
from proxy.sandbox.work import Work


def plan(body: bytes, origin: str) -> Work:
    """Raises: Refusal (400, 404)."""
    fields = contract.parse(body, "ImageGenerationRequest")
    model = catalogue.find(fields["model"], "text_to_image")
    size, upscale, count = fields["size"], fields.get("upscale", ""), int(fields["n"])
    return Work(
        operation="images.generations",
        model=model,
        marks=failures.read(fields["prompt"]),
        output=images(fields, pixels(size, upscale), origin, count=count),
        breakdown=prices.images(model.tier, size=size, upscale=upscale, count=count),
    )


def plan_edit(body: bytes, origin: str) -> Work:
    """The image to edit is never fetched. Raises: Refusal (400, 404)."""
    fields = contract.parse(body, "ImageEditRequest")
    return Work(
        operation="images.edits",
        model=catalogue.find(fields["model"], "image_to_image"),
        marks=failures.read(fields["prompt"]),
        output=images(fields, pixels(fields["size"]), origin),
        breakdown=prices.image_edit(fields["size"]),
    )


def pixels(size: str, upscale: str = "") -> tuple[int, int]:
    """Width and height: 512x512 with 2x is 1024 by 1024."""
    factor = int(upscale.removesuffix("x") or 1)
    width, height = map(int, size.split("x"))
    return width * factor, height * factor


def images(
    fields: dict[str, Any], pixels: tuple[int, int], origin: str, *, count: int = 1
) -> dict[str, Any]:
    """The reply's images, without model and usage."""
    width, height = pixels
    label = f"image-{width}x{height}"
    return {
        "created": int(time.time()),
        "data": [
            {
                "url": media.address(origin, label, "png", fields, index),
                "revised_prompt": fields["prompt"],
                "width": width,
                "height": height,
            }
            for index in range(count)
        ],
    }
