"""The sandbox's views: key, body, operation, reply; they only translate."""

from __future__ import annotations

import asyncio
import hmac
import uuid
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from proxy.http.handler import BodyTooLarge, ClientGone, LeanRequest
from proxy.sandbox import (
    catalogue,
    chat,
    embeddings,
    errors,
    failures,
    images,
    jobs,
    journal,
    media,
    music,
    options,
    speech,
    transcriptions,
    videos,
)
from proxy.sandbox.work import Work

BODY_BYTES_MAX = 20 * 1024**2
BODY_SECONDS_MAX = 60

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def operation(method: str) -> Callable[[View], View]:
    """A view of one method behind the key; its refusals become replies."""

    def decorate(view: View) -> View:
        @wraps(view)
        async def guarded(request: LeanRequest, **path: str) -> HttpResponseBase:
            try:
                if request.method != method:
                    raise errors.MethodNotAllowed(method)
                check_key(request)
                return await view(request, **path)
            except errors.SandboxError as error:
                return error.response()

        return guarded

    return decorate


def check_key(request: LeanRequest) -> None:
    """Raises: InvalidKey. The comparison takes as long for any wrong key."""
    scheme, _, key = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    expected = settings.UPSTREAM_API_KEY.encode()
    is_same = hmac.compare_digest(key.strip().encode(), expected)
    if scheme.lower() != "bearer" or not expected or not is_same:
        raise errors.InvalidKey


def flag(request: LeanRequest, name: str, *, default: bool) -> bool:
    """A query parameter. Raises: InvalidRequest unless it is true or false."""
    value = request.GET.get(name, "true" if default else "false")
    if value not in {"true", "false"}:
        raise errors.InvalidRequest(name, "must be true or false")
    return value == "true"


def origin(request: LeanRequest) -> str:
    return media.origin(request.scope["scheme"], request.META.get("HTTP_HOST", ""))


async def read(request: LeanRequest) -> bytes:
    """The body. Raises: BodyTooBig, BodyTooSlow, InvalidRequest."""
    try:
        return await request.read_body(
            bytes_max=BODY_BYTES_MAX, seconds_max=BODY_SECONDS_MAX
        )
    except BodyTooLarge:
        raise errors.BodyTooBig from None
    except TimeoutError:
        raise errors.BodyTooSlow from None
    except ClientGone:
        # Nobody is left to read it, but the handler wants a reply.
        raise errors.InvalidRequest("body", "incomplete") from None


def json_reply(document: dict[str, Any], request_id: str = "") -> HttpResponse:
    reply = HttpResponse(orjson.dumps(document), content_type="application/json")
    reply[errors.REQUEST_ID_HEADER] = request_id or errors.new_request_id()
    return reply


async def deliver(work: Work) -> HttpResponseBase:
    """Answer at once; the charge is on disk before the reply goes out."""
    await failures.hold_up(work.marks)
    await asyncio.sleep(options.load().pace_ms / 1000)
    call_id = f"call-{uuid.uuid4().hex}"
    await journal.current().append(work.entry(call_id))
    return failures.charged_reply(work.marks, call_id, work.reply())


async def submit(work: Work) -> HttpResponseBase:
    """Make a job of it, unless it shall fail right here."""
    if "charge-then-500" in work.marks:
        return await deliver(work)
    await failures.hold_up(work.marks)
    job = jobs.current().submit(work)
    return failures.charged_reply(work.marks, job.id, job.submitted())


@operation("POST")
async def create_chat_completion(request: LeanRequest) -> HttpResponseBase:
    call = chat.plan(await read(request))
    await failures.hold_up(call.marks)
    book, pace_ms = journal.current(), options.load().pace_ms
    if not call.stream or "charge-then-500" in call.marks:
        reply = await chat.complete(call, book, pace_ms=pace_ms)
        return failures.charged_reply(call.marks, call.id, reply)
    return StreamingHttpResponse(
        chat.Stream(call, book, pace_ms=pace_ms),
        content_type="text/event-stream",
        headers={errors.REQUEST_ID_HEADER: call.id, "cache-control": "no-cache"},
    )


@operation("POST")
async def create_embedding(request: LeanRequest) -> HttpResponseBase:
    body = await read(request)
    await asyncio.sleep(options.load().pace_ms / 1000)
    call_id, marks, reply = await embeddings.create(body, journal.current())
    return failures.charged_reply(marks, call_id, reply)


@operation("POST")
async def create_image(request: LeanRequest) -> HttpResponseBase:
    work = images.plan(await read(request), origin(request))
    if flag(request, "async", default=False):
        return await submit(work)
    return await deliver(work)


@operation("POST")
async def edit_image(request: LeanRequest) -> HttpResponseBase:
    return await deliver(images.plan_edit(await read(request), origin(request)))


@operation("POST")
async def create_video(request: LeanRequest) -> HttpResponseBase:
    work = videos.plan(await read(request), origin(request))
    if flag(request, "async", default=True):
        return await submit(work)
    return await deliver(work)


@operation("POST")
async def create_speech(request: LeanRequest) -> HttpResponseBase:
    return await deliver(speech.plan(await read(request), origin(request)))


@operation("POST")
async def create_transcription(request: LeanRequest) -> HttpResponseBase:
    return await deliver(transcriptions.plan(await read(request)))


@operation("POST")
async def create_music(request: LeanRequest) -> HttpResponseBase:
    work = music.plan(await read(request), origin(request))
    if flag(request, "async", default=True):
        return await submit(work)
    return await deliver(work)


@operation("GET")
async def read_job(request: LeanRequest, job_id: str) -> HttpResponseBase:
    is_waiting = flag(request, "poll", default=False)
    return json_reply(await jobs.current().ask(job_id, is_waiting=is_waiting))


async def read_media(request: LeanRequest, name: str) -> HttpResponseBase:
    """No key: whoever has the address has the file, as with a CDN."""
    try:
        if request.method != "GET":
            raise errors.MethodNotAllowed("GET")
        # In a thread: the longest WAV takes a tenth of a second.
        content_type, content = await asyncio.to_thread(media.read, name)
    except errors.SandboxError as error:
        return error.response()
    return HttpResponse(content, content_type=content_type)


@operation("GET")
async def list_models(request: LeanRequest) -> HttpResponseBase:
    models = [model.listed() for model in catalogue.MODELS]
    return json_reply({"object": "list", "data": models})


@operation("GET")
async def read_journal(request: LeanRequest) -> HttpResponseBase:
    """Not the upstream's: the sandbox's books, for whoever checks ours."""
    since = request.GET.get("since", "0")
    if not (since.isascii() and since.isdigit() and len(since) <= 18):
        raise errors.InvalidRequest("since", "must be the number of an entry")
    return json_reply(await journal.current().page(int(since)))
