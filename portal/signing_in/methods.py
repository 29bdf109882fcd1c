"""Who acts before and while they sign in, and by what they did."""

from __future__ import annotations

import time

from django.db import transaction
from django.http import HttpRequest

from portal.models import User
from portal.tenants import audit

TARGET_MAX = 200  # as long as the audit trail's column
FRESH_SECONDS = 300
# Where allauth writes down each step of signing in.
STEPS = "account_authentication_methods"
NOBODY = "somebody who is not signed in"


def actor_for(request: HttpRequest, user: User) -> audit.Actor:
    """The person who signs in, or proves an address, at this moment."""
    return audit.Actor(user, user.email, audit.address_of(request))


def stranger(request: HttpRequest) -> audit.Actor:
    """Who has not proved to be anybody. Only for `audit.record`: an actor without a
    person passes for the operator elsewhere."""
    return audit.Actor(None, NOBODY, audit.address_of(request))


def record_failure(request: HttpRequest, method: str, name: str) -> None:
    """A wrong password or code, for this account."""
    user = request.user
    is_known = isinstance(user, User)
    with transaction.atomic():
        audit.record(
            "user.confirm_failed" if is_known else "user.sign_in_failed",
            actor=audit.actor_of(request) if is_known else stranger(request),
            target=name[:TARGET_MAX],
            by=method,
        )


def used(request: HttpRequest) -> list[str]:
    """The steps of this sign-in, in order: `password`, `totp`, `passkey`, `sso` …"""
    steps = request.session.get(STEPS) or []
    return [_name_of(step) for step in steps]


def is_fresh(request: HttpRequest) -> bool:
    """Whether this session proved who it is within the last minutes."""
    steps = request.session.get(STEPS) or []
    return any(time.time() - step["at"] < FRESH_SECONDS for step in steps)


def _name_of(step: dict[str, str]) -> str:
    method = step.get("method", "")
    if method == "mfa":
        return {"webauthn": "passkey"}.get(step["type"], step["type"])
    return {"socialaccount": "sso"}.get(method, method)
