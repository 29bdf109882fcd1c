"""OpenAI's `client.videos`: the videos of `videos.py` under OpenAI's names.

A body in OpenAI's words becomes one in the contract's, which `videos.py` reads, so both
routes hold, charge and refuse alike. Absent fields get the defaults that OpenAI
documents, seconds="4" and size="720x1280"; the model gets the contract's default.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

from django.http.response import HttpResponseBase

from proxy.calls.call import Call, Document, Headers, Incoming, Operation
from proxy.http import refusals
from proxy.http.errors import GatewayError
from proxy.jobs import video_objects
from proxy.models import Job
from proxy.operations import bodies, uploads, videos
from proxy.upstream import contract

SCHEMA = videos.SCHEMA
SECONDS_DEFAULT, SIZE_DEFAULT = "4", "720x1280"
SIZES = {
    videos.size(resolution, ratio): {"resolution": resolution, "aspect_ratio": ratio}
    for resolution, ratio in product(
        contract.properties(SCHEMA)["resolution"]["enum"],
        contract.properties(SCHEMA)["aspect_ratio"]["enum"],
    )
}
REFERENCE = "input_reference"
# A form's names for the fields of OpenAI's object in its place.
REFERENCE_FIELDS = {f"{REFERENCE}[{name}]": name for name in ("image_url", "file_id")}


def read(incoming: Incoming) -> Call:
    """The call that a form or a JSON body asks for. Raises: GatewayError (400)."""
    if not bodies.wants_job(incoming.query, default=True):
        raise refusals.invalid(
            "Here a video is always a job; POST /v1/videos/generations?async=false "
            "waits for it.",
            param="async",
        )
    bodies.refuse_streaming(incoming.document)
    body = bodies.typed(bodies.meaningful(incoming.document, ("stream",)), SCHEMA)
    _take_seconds(body)
    _take_size(body)
    _take_reference(body)
    uploads.refuse_others(body)
    call = videos.read(replace(incoming, document=body))
    return replace(call, receipt=_receipt, answer=_no_job)


def _take_seconds(body: dict[str, Any]) -> None:
    """`seconds` as `duration_seconds`. Raises: GatewayError (400)."""
    name = "duration_seconds"
    if "seconds" not in body:
        if name in body:
            return
        body["seconds"] = SECONDS_DEFAULT
    elif name in body:
        raise _said_twice("seconds", name)
    limits = contract.properties(SCHEMA)[name]
    least, most = limits["minimum"], limits["maximum"]
    seconds = bodies.typed({name: body.pop("seconds")}, SCHEMA)[name]
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not least <= seconds <= most:
        raise refusals.invalid(
            f"seconds must be a number from {least} to {most}: the upstream makes "
            "videos of that length.",
            param="seconds",
        )
    body[name] = seconds


def _take_size(body: dict[str, Any]) -> None:
    """`size` as `resolution` and `aspect_ratio`. Raises: GatewayError (400)."""
    native = [name for name in ("resolution", "aspect_ratio") if name in body]
    if "size" not in body:
        if not native:
            body.update(SIZES[SIZE_DEFAULT])
        return
    if native:
        raise _said_twice("size", native[0])
    size = body.pop("size")
    if not isinstance(size, str) or size not in SIZES:
        raise refusals.invalid(f"size must be one of {', '.join(SIZES)}.", param="size")
    body.update(SIZES[size])


def _take_reference(body: dict[str, Any]) -> None:
    """`input_reference`, a file, an address or OpenAI's object with one, as the
    picture that the video begins with. Raises: GatewayError (400)."""
    parts: list[Any] = []
    named = [name for name in (REFERENCE, *REFERENCE_FIELDS) if name in body]
    for name in named:
        value = body.pop(name)
        if name in REFERENCE_FIELDS:
            value = {REFERENCE_FIELDS[name]: value}
        parts += value if isinstance(value, list) else [value]
    if not named:
        return
    if "source_image" in body:
        raise _said_twice(REFERENCE, "source_image")
    reference = uploads.only_one(parts, REFERENCE)
    if isinstance(reference, dict):
        if set(reference) != {"image_url"}:
            raise refusals.invalid(
                f"{REFERENCE} must be a file, or have an image_url and nothing else: "
                "files are not kept here.",
                param=REFERENCE,
            )
        reference = reference["image_url"]
    body["source_image"] = uploads.as_address(reference, REFERENCE)
    body.setdefault("mode", "image_to_video")


def _said_twice(name: str, native: str) -> GatewayError:
    return refusals.invalid(
        f"{name} says what {native} says: give one of them.", param=name
    )


def _receipt(job: Job, _document: Document) -> Document:
    return video_objects.render(job)


async def _no_job(document: Document, headers: Headers) -> HttpResponseBase:
    """Raises: GatewayError (502): a finished video, which is no job, has no id that a
    client could ask about."""
    url = video_objects.address(document)
    raise refusals.video_without_job(urls=[url] if url else [])


OPERATION = Operation(videos.NAME, "videos", read, takes_forms=True)
