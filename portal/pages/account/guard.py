"""What all pages here have in common: nothing is kept, and nobody waits for ever."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from portal.signing_in.hashing import Busy
from portal.signing_in.limits import QUARTER

View = Callable[..., HttpResponse]


def guarded(view: View) -> View:
    """Any page of an account. Passwords are not in reports of errors, and a machine
    that hashes too many of them says so."""

    @never_cache
    @sensitive_post_parameters()
    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Busy:
            answer = render(request, "account/busy.html", status=503)
            answer["Retry-After"] = "5"
            return answer

    return answered


def too_many(request: HttpRequest) -> HttpResponse:
    """The same page whatever was tried too often."""
    answer = render(request, "account/too_many_attempts.html", status=429)
    answer["Retry-After"] = str(QUARTER)
    return answer
