"""Images: what clients ask for in two dialects, and files where they want bytes.

The upstream answers with addresses only; the AI SDK always asks for `b64_json`.
"""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.http.response import HttpResponseBase

from billing.pricing.rates import Units
from portal.outbound import FetchError
from proxy.calls import usage_shown
from proxy.calls.call import Call, Document, Headers, Incoming, Mode, Operation
from proxy.http import refusals, reply, upstream_refusals
from proxy.operations import bodies
from proxy.upstream import contract, media, schemas

NAME = "images.generations"
# Always a job there, also for clients that wait: a crash of ours can still ask.
PATH = "/images/generations?async=true"
SCHEMA = "ImageGenerationRequest"
FORMATS = ("url", "b64_json")
# OpenAI's fields that this upstream does not have.
IGNORED = (
    "quality",
    "background",
    "output_format",
    "output_compression",
    "moderation",
)
DROPPED = ("stream", "partial_images", "response_format", *IGNORED)


def read(incoming: Incoming) -> Call:
    """The call that a request body asks for. Raises: GatewayError (400)."""
    document = incoming.document
    bodies.refuse_streaming(document)
    wanted = bodies.one_of(document, "response_format", FORMATS)
    is_job = bodies.wants_job(incoming.query, default=False)
    if is_job and wanted == "b64_json":
        raise refusals.unsupported_parameter(
            "response_format b64_json goes with a direct answer only: a job's result "
            "has addresses.",
            param="response_format",
        )
    body = bodies.meaningful(document, DROPPED)
    let_default_size(body)
    bodies.fill(body, SCHEMA, "model", "size")
    contract.check(body, SCHEMA)
    body["n"] = contract.whole_number(
        body, "n", default=1, most=schemas.properties(SCHEMA)["n"]["maximum"]
    )
    upscale = (body["upscale"],) if "upscale" in body else ()
    units = Units(images=body["n"], options=(body["size"], *upscale))
    return Call(
        operation=NAME,
        path=PATH,
        model=contract.model_name(body),
        content=contract.write(body),
        most=units,
        least=units,
        mode=Mode.JOB if is_job else Mode.AWAITED,
        ignored=bodies.ignored(document, IGNORED),
        count=count,
        answer=ANSWERS[wanted],
    )


def let_default_size(body: dict[str, Any]) -> None:
    """`auto` is OpenAI's word for what the upstream does by itself."""
    if body.get("size") == "auto":
        del body["size"]


def count(call: Call, document: Document) -> Units:
    """The images that came, where nobody reports a price."""
    images = document.get("data")
    came = len(images) if isinstance(images, list) else call.least.images
    return replace(call.least, images=min(came, call.least.images))


async def _with_bytes(document: Document, headers: Headers) -> HttpResponseBase:
    """The reply with each image inside. Raises: GatewayError (502)."""
    items = _with_addresses(document)
    try:
        await _put_bytes(items)
    except FetchError as error:
        urls = [each["url"] for each in items]
        raise upstream_refusals.media_unavailable(urls, error.reason) from None
    for item in items:
        del item["url"]
    return await _as_openais(document, headers)


async def _with_both(document: Document, headers: Headers) -> HttpResponseBase:
    """The reply with each image beside its address, if all can be fetched within
    MEDIA_SECONDS_MAX: a client that did not ask for bytes should not wait longer."""
    with suppress(FetchError, TimeoutError):
        async with asyncio.timeout(settings.MEDIA_SECONDS_MAX):
            await _put_bytes(_with_addresses(document))
    return await _as_openais(document, headers)


async def _as_openais(document: Document, headers: Headers) -> HttpResponseBase:
    """The reply, with the numbers that OpenAI's SDKs add up in its usage."""
    document["usage"] = usage_shown.of_images(document["usage"])
    return reply.json(document, headers)


# By `response_format`. OpenAI's newer models answer with bytes and know no such field,
# the older ones with addresses: clients of either kind do not say what they read, and
# what they find empty is paid for. `Accept` does not say it: every SDK asks for JSON.
ANSWERS = {None: _with_both, "url": _as_openais, "b64_json": _with_bytes}


def _with_addresses(document: Document) -> list[Document]:
    found = document.get("data")
    return [
        item
        for item in (found if isinstance(found, list) else ())
        if isinstance(item, dict) and isinstance(item.get("url"), str)
    ]


async def _put_bytes(items: list[Document]) -> None:
    """Each image as `b64_json` into its item. Raises: MediaError; then into none."""
    left = settings.MEDIA_BYTES_MAX
    contents: list[str] = []
    for item in items:  # one by one: together they may be as large as one alone
        image = await media.fetch(item["url"], bytes_max=left)
        left -= len(image.content)
        contents.append(base64.b64encode(image.content).decode("ascii"))
    for item, content in zip(items, contents, strict=True):
        item["b64_json"] = content


OPERATION = Operation(NAME, "images/generations", read)
