"""For whatever watches the process: is it up, can it work.

No routes, but the first middleware: a watcher asks by an address that is no host name
of ours, and without encryption, both of which the middleware after it refuses.
"""

from __future__ import annotations

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin
from django.views.decorators.http import require_safe


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. Says nothing of the database, so that a database restart
    does not make the watcher kill every process."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """The database answers too."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return HttpResponse(
            "database unavailable", content_type="text/plain", status=503
        )
    return HttpResponse("ok", content_type="text/plain")


CHECKS = {"/healthz": healthz, "/readyz": readyz}


class HealthMiddleware(MiddlewareMixin):
    """Answers those who watch, whatever they call us."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        check = CHECKS.get(request.path_info)
        return check(request) if check else None
