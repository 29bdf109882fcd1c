"""Who acts before and while they sign in, and by what they did."""

from __future__ import annotations

import time

from django.db import transaction
from django.http import HttpRequest

from portal.models import User
from portal.signing_in import limits
from portal.tenants import audit

TARGET_MAX = 200  # as long as the audit trail's column
FRESH_SECONDS = 300
# Where allauth writes down each step of signing in.
STEPS = "account_authentication_methods"
NOBODY = "somebody who is not signed in"


def actor_for(request: HttpRequest, user: User) -> audit.Actor:
    """The person who signs in, or proves an address, at this moment."""
    address, request_id = audit.address_of(request), audit.request_id_of(request)
    return audit.Actor(user, user.email, address, request_id)


def record_failure(request: HttpRequest, method: str, name: str) -> None:
    """A wrong password or code, for the account of this address if there is one: then
    the owners of its organizations read it, too."""
    with transaction.atomic():
        if isinstance(request.user, User):
            audit.record_of_person(
                "user.confirm_failed",
                request.user,
                actor=audit.actor_of(request),
                by=method,
            )
            return
        person = User.objects.filter(email=name).first()
        if not _is_written(person):
            return
        actor = audit.stranger(request, name[:TARGET_MAX] or NOBODY)
        audit.record_of_person("user.sign_in_failed", person, actor=actor, by=method)


def _is_written(person: User | None) -> bool:
    """So many of an account's an hour; what belongs to nobody cannot hide those."""
    if person is None:
        return limits.take(limits.FAILURES_OF_NOBODY_WRITTEN)
    return limits.take(limits.FAILURES_WRITTEN, person.pk)


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
