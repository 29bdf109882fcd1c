"""Health checks for a load balancer or an orchestrator: /healthz and /readyz.

They are a middleware, the first one, and no routes: such a watcher asks by an IP
address and without encryption, and the middlewares after this one refuse both.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin
from django.views.decorators.http import require_safe

from billing.values.patience import patience
from portal.runtime import timetable

# A watcher that gets no answer counts the process as dead.
READY_SECONDS = 5

# What else must hold before this process can work: each says what is wrong, or nothing.
conditions: list[Callable[[], str]] = []


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process answers. The database is not asked: its restart must not
    make the watcher kill every process."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database answers too, and the process can work; else 503 within
    ten seconds.

    Due work that stands still is said, and is no reason to send calls elsewhere: still
    200, but `degraded`, and a line for each task.
    """
    try:
        with patience(READY_SECONDS), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            wrong = timetable.complaints()
    except Error:
        return _not_ready("database unavailable")
    for condition in conditions:
        if trouble := condition():
            return _not_ready(trouble)
    text = "\n".join(["degraded", *wrong]) if wrong else "ok"
    return HttpResponse(text, content_type="text/plain")


def _not_ready(why: str) -> HttpResponse:
    return HttpResponse(why, content_type="text/plain", status=503)


CHECKS = {"/healthz": healthz, "/readyz": readyz}


class HealthMiddleware(MiddlewareMixin):
    """Answers the two paths under any host name."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        check = CHECKS.get(request.path_info)
        return check(request) if check else None
