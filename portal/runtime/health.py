"""Health checks for a load balancer or an orchestrator: /healthz and /readyz.

They are a middleware, the first one, and no routes: such a watcher asks by an IP
address and without encryption, and the middlewares after this one refuse both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.db import Error, close_old_connections, connection
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin
from django.views.decorators.http import require_safe

from billing.values.patience import patience
from portal.runtime import timetable

# A watcher that gets no answer counts the process as dead.
READY_SECONDS = 5

# What else must hold before this process can work: each says what is wrong, or nothing.
conditions: list[Callable[[], str]] = []


# How long an answer of `/readyz` counts: however many ask, the database is asked once.
KEPT_SECONDS = 0.5

State = tuple[int, str]


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process answers. The database is not asked: its restart must not
    make the watcher kill every process."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database answers too, and the process can work; else 503 within
    ten seconds."""
    status, text = look()
    return HttpResponse(text, content_type="text/plain", status=status)


def look() -> State:
    """Whether this process is ready.

    Due work that stands still is said, and is no reason to send calls elsewhere: still
    200, but `degraded`, and a line for each task.
    """
    try:
        with patience(READY_SECONDS), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            wrong = timetable.complaints()
    except Error:
        return HTTPStatus.SERVICE_UNAVAILABLE, "database unavailable"
    for condition in conditions:
        if trouble := condition():
            return HTTPStatus.SERVICE_UNAVAILABLE, trouble
    return HTTPStatus.OK, "\n".join(["degraded", *wrong]) if wrong else "ok"


class Watched:
    """`look`, in a thread, for any number of watchers at once."""

    def __init__(self) -> None:
        self._looking: asyncio.Task[State] | None = None
        self._until = 0.0

    async def state(self) -> State:
        looking = self._looking
        if looking is None or (looking.done() and self._until < time.monotonic()):
            looking = self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(looking)

    async def _look(self) -> State:
        try:
            return await asyncio.to_thread(_look_and_let_go)
        finally:
            self._until = time.monotonic() + KEPT_SECONDS


def _look_and_let_go() -> State:
    try:
        return look()
    finally:
        close_old_connections()


_watched = Watched()


async def answer(
    scope: Mapping[str, Any], send: Callable[[Mapping[str, Any]], Awaitable[None]]
) -> None:
    """The two paths as ASGI, in the process that serves the calls."""
    status, text = HTTPStatus.OK.value, "ok"
    if scope["method"] not in ("GET", "HEAD"):
        status, text = HTTPStatus.METHOD_NOT_ALLOWED.value, ""
    elif scope["path"] == "/readyz":
        status, text = await _watched.state()
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send(
        {"type": "http.response.start", "status": int(status), "headers": headers}
    )
    body = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": body})


CHECKS = {"/healthz": healthz, "/readyz": readyz}


class HealthMiddleware(MiddlewareMixin):
    """Answers the two paths under any host name."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        check = CHECKS.get(request.path_info)
        return check(request) if check else None
