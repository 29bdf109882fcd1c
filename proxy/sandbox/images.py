"""Images: generated from a prompt or edited, as PNG pictures."""

from __future__ import annotations

import time
from typing import Any

from proxy.sandbox import catalogue, contract, failures, media, prices
from proxy.sandbox.work import Work

MODEL_DEFAULT = "fal-ai/flux/dev"
EDIT_MODEL_DEFAULT = "fal-ai/flux/dev/image-to-image"
SIZE_DEFAULT = "1024x1024"
COUNT_LARGEST = 10


def plan(body: bytes, origin: str) -> Work:
    """Raises: InvalidRequest, ModelNotFound."""
    fields = contract.parse(body, "ImageGenerationRequest")
    model = catalogue.find(
        fields.get("model", MODEL_DEFAULT), category="image", capability="text_to_image"
    )
    size = fields.get("size", SIZE_DEFAULT)
    upscale = fields.get("upscale", "")
    count = contract.whole_number(fields, "n", default=1, largest=COUNT_LARGEST)
    names = [
        media.image_name(
            media.image_pixels(size, upscale),
            media.digest(
                model.id,
                fields["prompt"],
                fields.get("negative_prompt"),
                fields.get("style"),
                fields.get("seed"),
                index,
            ),
        )
        for index in range(count)
    ]
    return Work(
        operation="images.generations",
        model=model,
        marks=failures.read(fields["prompt"]),
        output=listed(
            names, fields["prompt"], media.image_pixels(size, upscale), origin
        ),
        breakdown=prices.images(model.tier, size=size, upscale=upscale, count=count),
    )


def plan_edit(body: bytes, origin: str) -> Work:
    """The image to edit is never fetched. Raises: InvalidRequest, ModelNotFound."""
    fields = contract.parse(body, "ImageEditRequest")
    model = catalogue.find(
        fields.get("model", EDIT_MODEL_DEFAULT),
        category="image",
        capability="image_to_image",
    )
    size = fields.get("size", SIZE_DEFAULT)
    drawn = media.digest(
        model.id, fields["prompt"], fields["image"], fields.get("mask")
    )
    name = media.image_name(media.image_pixels(size), drawn)
    return Work(
        operation="images.edits",
        model=model,
        marks=failures.read(fields["prompt"]),
        output=listed([name], fields["prompt"], media.image_pixels(size), origin),
        breakdown=prices.image_edit(size),
    )


def listed(
    names: list[str], prompt: str, pixels: tuple[int, int], origin: str
) -> dict[str, Any]:
    return {
        "created": int(time.time()),
        "data": [
            {
                "url": f"{origin}{media.PATH}{name}",
                "revised_prompt": prompt,
                "width": pixels[0],
                "height": pixels[1],
            }
            for name in names
        ],
    }
