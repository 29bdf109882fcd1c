"""The sandbox's views: key, body, operation, reply; they only translate."""

from __future__ import annotations

import asyncio
import hmac
import uuid
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from proxy.http.handler import BodyTooLarge, ClientGone, LeanRequest
from proxy.sandbox import (
    catalogue,
    chat,
    errors,
    failures,
    jobs,
    journal,
    media,
    operations,
    options,
)
from proxy.sandbox.work import Work

BODY_BYTES_MAX = 20 * 1024**2
BODY_SECONDS_MAX = 60
COMPLETION_TOKENS_PER_PACE = 32  # of a chat that is not streamed

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def answers(method: str, *, has_key: bool = True) -> Callable[[View], View]:
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
    if scheme.lower() != "bearer" or not is_same:
        raise errors.Refusal("invalid_api_key")


def flag(request: LeanRequest, name: str, *, default: bool) -> bool:
    """A query parameter. Raises: Refusal (400) unless it is true or false."""
    value = request.GET.get(name, str(default).lower())
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


async def deliver(work: Work) -> HttpResponseBase:
    """Answer at once; the charge is on disk before the reply goes out."""
    await failures.hold_up(work.marks)
    generated = work.tokens.get("completion_tokens", 0)
    paces = 1 + generated // COMPLETION_TOKENS_PER_PACE
    await asyncio.sleep(options.load().pace_ms * paces / 1000)
    call_id = work.output.get("id") or f"call-{uuid.uuid4().hex}"
    await journal.current().append(work.entry(call_id))
    return failures.charged_reply(work.marks, call_id, work.reply())


@answers("POST")
async def create_chat_completion(request: LeanRequest) -> HttpResponseBase:
    call = chat.Chat(await read(request))
    if not call.stream or "charge-then-500" in call.marks:
        return await deliver(call.work(call.completion_tokens))
    await failures.hold_up(call.marks)
    return StreamingHttpResponse(
        chat.Stream(call),
        content_type="text/event-stream",
        headers={errors.REQUEST_ID_HEADER: call.id, "cache-control": "no-cache"},
    )


def creating(route: str) -> View:
    """The view of one of `operations`."""
    is_job = operations.OPERATIONS[route].is_job

    @answers("POST")
    async def create(request: LeanRequest) -> HttpResponseBase:
        host = request.META.get("HTTP_HOST", "")
        origin = media.origin(request.scope["scheme"], host)
        work = operations.plan(route, await read(request), origin)
        is_delivered = is_job is None or not flag(request, "async", default=is_job)
        # This mark makes the submission itself fail.
        if is_delivered or "charge-then-500" in work.marks:
            return await deliver(work)
        await failures.hold_up(work.marks)
        job = jobs.current().submit(work)
        return failures.charged_reply(work.marks, job.id, job.submitted())

    return create


@answers("GET")
async def read_job(request: LeanRequest, job_id: str) -> HttpResponseBase:
    is_waiting = flag(request, "poll", default=False)
    return errors.reply(await jobs.current().ask(job_id, is_waiting=is_waiting))


@answers("GET", has_key=False)
async def read_media(request: LeanRequest, name: str) -> HttpResponseBase:
    """Without a key: whoever has the address gets the file, as with a CDN."""
    # In a thread: the longest WAV takes a tenth of a second.
    content_type, content = await asyncio.to_thread(media.read, name)
    return HttpResponse(content, content_type=content_type)


@answers("GET")
async def list_models(request: LeanRequest) -> HttpResponseBase:
    models = [model.listed() for model in catalogue.MODELS]
    return errors.reply({"object": "list", "data": models})


@answers("GET")
async def read_journal(request: LeanRequest) -> HttpResponseBase:
    """The upstream has no such path: what the sandbox charged, to compare with us."""
    since = request.GET.get("since", "0")
    if not (since.isascii() and since.isdigit() and len(since) <= 18):
        raise errors.invalid("since", "must be the number of an entry")
    return errors.reply(await journal.current().page(int(since)))
