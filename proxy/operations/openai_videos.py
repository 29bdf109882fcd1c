"""OpenAI's `client.videos`: the videos of `videos.py` under OpenAI's names.

A body in OpenAI's words becomes one in the contract's, which `videos.py` reads, so both
routes hold, charge and refuse alike.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

from django.http.response import HttpResponseBase

from proxy.calls.call import Call, Document, Headers, Incoming, Operation
from proxy.http import refusals, upstream_refusals
from proxy.jobs import video_objects
from proxy.operations import bodies, uploads, videos
from proxy.upstream import schemas

SCHEMA = videos.SCHEMA
DEFAULTS = {"seconds": "4", "size": "720x1280"}  # as OpenAI documents them
SIZES = {
    videos.size(resolution, ratio): {"resolution": resolution, "aspect_ratio": ratio}
    for resolution, ratio in product(
        schemas.properties(SCHEMA)["resolution"]["enum"],
        schemas.properties(SCHEMA)["aspect_ratio"]["enum"],
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
    return replace(
        call, receipt=lambda job, _document: video_objects.render(job), answer=_no_job
    )


def _take(body: dict[str, Any], name: str, *natives: str) -> Any:
    """OpenAI's field `name`, which leaves the body; else its default, but None where
    the contract's fields say the same. Raises: GatewayError (400) where both do."""
    native = next((each for each in natives if each in body), None)
    if name not in body:
        return None if native else DEFAULTS.get(name)
    if native:
        raise refusals.invalid(
            f"{name} says what {native} says: give one of them.", param=name
        )
    return body.pop(name)


def _take_seconds(body: dict[str, Any]) -> None:
    """`seconds` as `duration_seconds`. Raises: GatewayError (400)."""
    name = "duration_seconds"
    asked = _take(body, "seconds", name)
    if asked is None:
        return
    limits = schemas.properties(SCHEMA)[name]
    least, most = limits["minimum"], limits["maximum"]
    seconds = bodies.typed({name: asked}, SCHEMA)[name]
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
    asked = {"size": _take(body, "size", "resolution", "aspect_ratio")}
    if size := bodies.one_of(asked, "size", SIZES):
        body.update(SIZES[size])


def _take_reference(body: dict[str, Any]) -> None:
    """`input_reference`, a file, an address or OpenAI's object with one, as the
    picture that the video begins with. Raises: GatewayError (400)."""
    objects = [
        {field: body.pop(name)}
        for name, field in REFERENCE_FIELDS.items()
        if name in body
    ]
    if objects:
        given = body.get(REFERENCE, [])
        body[REFERENCE] = [*(given if isinstance(given, list) else [given]), *objects]
    asked = _take(body, REFERENCE, "source_image")
    if asked is None:
        return
    reference = uploads.only_one(asked, REFERENCE)
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


async def _no_job(document: Document, headers: Headers) -> HttpResponseBase:
    """Raises: GatewayError (502): a finished video, which is no job, has no id that a
    client could ask about."""
    url = video_objects.address(document)
    raise upstream_refusals.video_without_job(urls=[url] if url else [])


OPERATION = Operation(videos.NAME, "videos", read, takes_forms=True)
