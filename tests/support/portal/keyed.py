"""Operations on a key that somebody else holds, for the table of rights: all of them
are for owners, admins and the operator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from portal.tenants import audit, key_edits, keys

HOUR = timedelta(hours=1)
Prepare = Callable[[Any], Callable[[audit.Actor], Any]]


def change(operation: Callable[..., Any], *more: object) -> Prepare:
    """Of the scene's key."""
    return lambda scene: lambda actor: operation(scene.key, *more, actor=actor)


def enabling(scene: Any) -> Callable[[audit.Actor], Any]:
    key_edits.disable(scene.key, actor=audit.Actor(None, "test"))
    return lambda actor: key_edits.enable(scene.key, actor=actor)


def ending_an_overlap(scene: Any) -> Callable[[audit.Actor], Any]:
    old = keys.secrets_in_force(scene.key)[0]
    keys.rotate(scene.key, HOUR, actor=audit.Actor(None, "test"))
    return lambda actor: key_edits.end_secret(old, actor=actor)


OF_KEYS: dict[str, Prepare] = {
    "rotate another's key": change(keys.rotate, HOUR),
    "revoke another's key": change(keys.revoke),
    "disable another's key": change(key_edits.disable),
    "enable another's key": enabling,
    "rename another's key": change(key_edits.rename, "mine"),
    "let another's key end": change(key_edits.set_expiry, timezone.now() + HOUR),
    "end the overlap of another's key": ending_an_overlap,
}
