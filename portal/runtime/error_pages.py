"""What is said in the place of a page that could not be made."""

from __future__ import annotations

import sys
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.template.loader import render_to_string
from django.views.defaults import server_error as broken

from portal.runtime.log_lines import UNAVAILABLE

RETRY_AFTER_SECONDS = 5

WORDS = "The database does not answer at this moment, or has too much to do."


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`, called while the exception is handled. A database that
    does not answer, keeps somebody waiting for too long, or has no connection left:
    that passes.
    """
    if not isinstance(sys.exception(), UNAVAILABLE):
        return broken(request)
    status = HTTPStatus.SERVICE_UNAVAILABLE
    context = {"code": status.value, "heading": status.phrase, "words": WORDS}
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS), "Cache-Control": "no-store"}
    page = render_to_string("door.html", context)
    return HttpResponse(page, status=status, headers=headers)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler400`. Its own reads the form, for a token that the page does not
    have: a form that could not be read became a 500."""
    del request, exception
    return HttpResponseBadRequest(render_to_string("400.html"))
