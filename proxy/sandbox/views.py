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
Plan = Callable[[bytes, str], Work]


def operation(method: str, *, has_key: bool = True) -> Callable[[View], View]:
    """A view of one method, behind the key if it has one; refusals become replies."""

    def decorate(view: View) -> View:
        @wraps(view)
        async def guarded(request: LeanRequest, **path: str) -> HttpResponseBase:
            try:
                if request.method != method:
                    raise errors.Refusal("method_not_allowed", method)
                if has_key:
                    check_key(request)
                return await view(request, **path)
            except errors.Refusal as error:
                return error.response()

        return guarded

    return decorate


def check_key(request: LeanRequest) -> None:
    """Raises: Refusal (401). The comparison takes as long for any wrong key."""
    scheme, _, key = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    expected = settings.UPSTREAM_API_KEY.encode()
    is_same = hmac.compare_digest(key.strip().encode(), expected)
    if scheme.lower() != "bearer" or not expected or not is_same:
        raise errors.Refusal("invalid_api_key")


def flag(request: LeanRequest, name: str, *, default: bool) -> bool:
    """A query parameter. Raises: Refusal (400) unless it is true or false."""
    value = request.GET.get(name, "true" if default else "false")
    if value not in {"true", "false"}:
        raise errors.invalid(name, "must be true or false")
    return value == "true"


async def read(request: LeanRequest) -> bytes:
    """The body. Raises: Refusal (400, 408, 413)."""
    try:
        return await request.read_body(
            bytes_max=BODY_BYTES_MAX, seconds_max=BODY_SECONDS_MAX
        )
    except BodyTooLarge:
        raise errors.Refusal("request_too_large") from None
    except TimeoutError:
        raise errors.Refusal("request_timeout") from None
    except ClientGone:
        # Nobody is left to read it, but the handler wants a reply.
        raise errors.invalid("body", "incomplete") from None


def json_reply(document: dict[str, Any]) -> HttpResponse:
    reply = HttpResponse(orjson.dumps(document), content_type="application/json")
    reply[errors.REQUEST_ID_HEADER] = errors.new_request_id()
    return reply


async def deliver(work: Work) -> HttpResponseBase:
    """Answer at once; the charge is on disk before the reply goes out."""
    await failures.hold_up(work.marks)
    await asyncio.sleep(options.load().pace_ms / 1000)
    call_id = f"call-{uuid.uuid4().hex}"
    await journal.current().append(work.entry(call_id))
    return failures.charged_reply(work.marks, call_id, work.reply())


async def submit(work: Work) -> HttpResponseBase:
    """Make a job of it, unless its mark makes the submission itself fail."""
    if "charge-then-500" in work.marks:
        return await deliver(work)
    await failures.hold_up(work.marks)
    job = jobs.current().submit(work)
    return failures.charged_reply(work.marks, job.id, job.submitted())


@operation("POST")
async def create_chat_completion(request: LeanRequest) -> HttpResponseBase:
    plan = chat.plan(await read(request))
    await failures.hold_up(plan.marks)
    charges, pace_ms = journal.current(), options.load().pace_ms
    if not plan.stream or "charge-then-500" in plan.marks:
        reply = await chat.complete(plan, charges, pace_ms=pace_ms)
        return failures.charged_reply(plan.marks, plan.id, reply)
    return StreamingHttpResponse(
        chat.Stream(plan, charges, pace_ms=pace_ms),
        content_type="text/event-stream",
        headers={errors.REQUEST_ID_HEADER: plan.id, "cache-control": "no-cache"},
    )


def creating(plan: Plan, *, async_default: bool | None = None) -> View:
    """The view of an operation that is planned before it is done. `async_default` is
    what an absent `?async=` says; None is for an operation that is never a job."""

    @operation("POST")
    async def create(request: LeanRequest) -> HttpResponseBase:
        host = request.META.get("HTTP_HOST", "")
        origin = media.origin(request.scope["scheme"], host)
        work = plan(await read(request), origin)
        if async_default is None or not flag(request, "async", default=async_default):
            return await deliver(work)
        return await submit(work)

    return create


create_embedding = creating(embeddings.plan)
create_image = creating(images.plan, async_default=False)
edit_image = creating(images.plan_edit)
create_video = creating(videos.plan, async_default=True)
create_speech = creating(speech.plan)
create_transcription = creating(transcriptions.plan)
create_music = creating(music.plan, async_default=True)


@operation("GET")
async def read_job(request: LeanRequest, job_id: str) -> HttpResponseBase:
    is_waiting = flag(request, "poll", default=False)
    return json_reply(await jobs.current().ask(job_id, is_waiting=is_waiting))


@operation("GET", has_key=False)
async def read_media(request: LeanRequest, name: str) -> HttpResponseBase:
    """Without a key: whoever has the address gets the file, as with a CDN."""
    # In a thread: the longest WAV takes a tenth of a second.
    content_type, content = await asyncio.to_thread(media.read, name)
    return HttpResponse(content, content_type=content_type)


@operation("GET")
async def list_models(request: LeanRequest) -> HttpResponseBase:
    models = [model.listed() for model in catalogue.MODELS]
    return json_reply({"object": "list", "data": models})


@operation("GET")
async def read_journal(request: LeanRequest) -> HttpResponseBase:
    """The upstream has no such path: what the sandbox charged, to compare with us."""
    since = request.GET.get("since", "0")
    if not (since.isascii() and since.isdigit() and len(since) <= 18):
        raise errors.invalid("since", "must be the number of an entry")
    return json_reply(await journal.current().page(int(since)))
