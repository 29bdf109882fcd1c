"""A page that could not ask the database: it does not answer, keeps somebody waiting
for too long, or has no connection left. That passes."""

from __future__ import annotations

import sys
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error as broken

from portal.runtime.log_lines import UNAVAILABLE

RETRY_AFTER_SECONDS = 5

WORDS = "The database does not answer at this moment, or has too much to do."


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`, called while the exception is handled."""
    if not isinstance(sys.exception(), UNAVAILABLE):
        return broken(request)
    status = HTTPStatus.SERVICE_UNAVAILABLE
    context = {"code": status.value, "heading": status.phrase, "words": WORDS}
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS), "Cache-Control": "no-store"}
    page = render_to_string("door.html", context)
    return HttpResponse(page, status=status, headers=headers)
