"""Images: generated and edited, at once."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.upstream import schemas
from tests.support.sandbox import media_files
from tests.support.sandbox.server import Sandbox

PROMPT = "A quiet harbour at dawn"
SOURCE = "https://example.org/harbour.png"


def test_the_reply_keeps_the_contract_and_is_charged(sandbox: Sandbox) -> None:
    reply = sandbox.post("/images/generations", prompt=PROMPT, n=2)
    body = reply.json()
    schemas.validator("ImageGenerationResponse").validate(body)
    assert (body["model"], body["model_tier"]) == ("fal-ai/flux/dev", "standard")
    assert body["usage"] == {
        "credits_used": 20,
        "credits_breakdown": {"generation": 20},
    }
    entry = sandbox.charge(reply)
    assert (entry["operation"], entry["credits"]) == ("images.generations", 20)
    assert PROMPT not in str(entry)


@pytest.mark.parametrize(
    ("size", "upscale", "pixels"),
    [
        ("512x512", None, (512, 512)),
        ("1792x1024", None, (1792, 1024)),
        ("1024x1792", None, (1024, 1792)),
        ("512x512", "4x", (2048, 2048)),
    ],
)
def test_the_reply_and_the_name_say_the_ordered_size(
    sandbox: Sandbox, size: str, upscale: str | None, pixels: tuple[int, int]
) -> None:
    reply = sandbox.post(
        "/images/generations", prompt=PROMPT, size=size, upscale=upscale
    )
    [image] = reply.json()["data"]
    assert (image["width"], image["height"]) == pixels
    assert f"/media/image-{pixels[0]}x{pixels[1]}-" in image["url"]
    assert media_files.fetch(image["url"], "image/png") == media_files.sample("png")


def test_the_same_prompt_gives_the_same_images(sandbox: Sandbox) -> None:
    def urls(**fields: Any) -> list[str]:
        reply = sandbox.post("/images/generations", prompt=PROMPT, n=2, **fields).json()
        return [image["url"] for image in reply["data"]]

    first, second = urls()
    assert first != second
    assert urls() == [first, second]
    assert urls(seed=None, negative_prompt=None) == [first, second]
    assert not {first, second} & set(urls(seed=7))


def test_the_address_is_where_the_caller_came(sandbox: Sandbox) -> None:
    with sandbox.http(host="media.example:81") as client:
        reply = client.post("/images/generations", json={"prompt": PROMPT})
    url = reply.json()["data"][0]["url"]
    assert url.startswith("http://media.example:81/media/image-1024x1024-")


def test_a_host_that_is_none_is_refused(sandbox: Sandbox) -> None:
    with sandbox.http(host="a b/c") as client:
        reply = client.post("/images/generations", json={"prompt": PROMPT})
    assert reply.status_code == 400


@pytest.mark.parametrize(("size", "credits"), [("1024x1024", 12), ("512x512", 6)])
def test_an_edit_is_an_image(sandbox: Sandbox, size: str, credits: int) -> None:
    reply = sandbox.post("/images/edits", prompt=PROMPT, image=SOURCE, size=size)
    body = reply.json()
    schemas.validator("ImageGenerationResponse").validate(body)
    assert body["usage"]["credits_breakdown"] == {"edit": credits}
    entry = sandbox.charge(reply)
    assert (entry["operation"], entry["credits"]) == ("images.edits", credits)
    [image] = body["data"]
    assert f"{image['width']}x{image['height']}" == size
    assert media_files.fetch(image["url"], "image/png") == media_files.sample("png")


@pytest.mark.parametrize(
    ("path", "fields", "named"),
    [
        ("generations", {}, "body"),
        ("generations", {"prompt": "x" * 4001}, "prompt"),
        ("generations", {"prompt": "x", "size": "1x1"}, "size"),
        ("generations", {"prompt": "x", "n": 11}, "n"),
        ("generations", {"prompt": "x", "n": 0}, "n"),
        ("generations", {"prompt": "x", "upscale": "3x"}, "upscale"),
        ("generations", {"prompt": "x", "model": "openai/gpt-4o"}, "model"),
        ("generations?async=maybe", {"prompt": "x"}, "async"),
        ("edits", {"prompt": "x"}, "body"),
        ("edits", {"prompt": "x", "image": SOURCE, "size": "1792x1024"}, "size"),
        (
            "edits",
            {"prompt": "x", "image": SOURCE, "model": "fal-ai/flux/dev"},
            "model",
        ),
    ],
)
def test_a_bad_field_is_named_and_not_charged(
    sandbox: Sandbox, path: str, fields: dict[str, Any], named: str
) -> None:
    before = sandbox.journal()["count"]
    reply = sandbox.post(f"/images/{path}", **fields)
    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith(f"{named}: ")
    assert sandbox.journal()["count"] == before
