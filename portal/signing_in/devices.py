"""Browsers that an account was signed in from before.

A cookie says so, signed, for one account and until its password changes. It opens
nothing: it only lets the throttle tell the owner from a stranger (`limits.py`).
"""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from portal.models import User

COOKIE = "device"
SALT = "portal.signing_in.devices"
DAYS = 180
SECONDS = DAYS * 86_400


def known(request: HttpRequest, email: str) -> str | None:
    """The device's name, if `email`'s account was signed in from it."""
    claim = _claim(request)
    if claim is None:
        return None
    user = User.objects.filter(pk=claim["user"], email=email).first()
    if user is None or not secrets.compare_digest(claim["of"], _fragment(user)):
        return None
    return str(claim["device"])


def remember(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Let this browser be known from now on, under the name it had."""
    device = known(request, user.email) or secrets.token_urlsafe(12)
    claim = {"user": user.pk, "device": device, "of": _fragment(user)}
    response.set_cookie(
        COOKIE,
        signing.dumps(claim, salt=SALT),
        max_age=SECONDS,
        path=f"{settings.URL_PREFIX}/account/",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _claim(request: HttpRequest) -> dict[str, Any] | None:
    text = request.COOKIES.get(COOKIE, "")
    try:
        claim = signing.loads(text, salt=SALT, max_age=SECONDS)
    except signing.BadSignature:
        return None
    return claim if isinstance(claim, dict) else None


def _fragment(user: User) -> str:
    """Changes with the password, and gives nothing of it away."""
    return user.get_session_auth_hash()[:16]
