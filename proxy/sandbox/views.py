"""The sandbox's views: key, body, operation, reply; they only translate."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from proxy.handler import BodyTooLarge, ClientGone, LeanRequest
from proxy.sandbox import catalogue, chat, embeddings, errors, journal, options

BODY_BYTES_MAX = 20 * 1024**2
BODY_SECONDS_MAX = 60

View = Callable[[LeanRequest], Coroutine[Any, Any, HttpResponseBase]]


def operation(method: str) -> Callable[[View], View]:
    """A view of one method behind the key; its refusals become replies."""

    def decorate(view: View) -> View:
        @wraps(view)
        async def guarded(request: LeanRequest) -> HttpResponseBase:
            try:
                if request.method != method:
                    raise errors.MethodNotAllowed(method)
                check_key(request)
                return await view(request)
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


@operation("POST")
async def create_chat_completion(request: LeanRequest) -> HttpResponseBase:
    call = chat.plan(await read(request))
    book, pace_ms = journal.current(), options.load().pace_ms
    if not call.stream:
        reply = await chat.complete(call, book, pace_ms=pace_ms)
        return json_reply(reply, call.id)
    return StreamingHttpResponse(
        chat.Stream(call, book, pace_ms=pace_ms),
        content_type="text/event-stream",
        headers={errors.REQUEST_ID_HEADER: call.id, "cache-control": "no-cache"},
    )


@operation("POST")
async def create_embedding(request: LeanRequest) -> HttpResponseBase:
    body = await read(request)
    await asyncio.sleep(options.load().pace_ms / 1000)
    call_id, reply = await embeddings.create(body, journal.current())
    return json_reply(reply, call_id)


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
