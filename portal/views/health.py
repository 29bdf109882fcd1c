"""For whatever watches the process: is it up, can it work."""

from __future__ import annotations

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse
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
