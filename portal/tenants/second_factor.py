"""Whether a person has a second factor: an authenticator app or a passkey."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from allauth.mfa.models import Authenticator
from django.db.models import QuerySet

from portal.models import User

# Recovery codes stand in for one of these, and are none by themselves.
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def has_one(user: User) -> bool:
    found = Authenticator.objects.filter(user_id=user.pk, type__in=FACTORS)
    return bool(found.exists())


def whose(user_ids: Collection[int]) -> set[int]:
    """Those of them who have one."""
    found = Authenticator.objects.filter(user_id__in=user_ids, type__in=FACTORS)
    return set(found.values_list("user_id", flat=True))


def count(users: QuerySet[Any, Any]) -> int:
    """How many of these have one; `users` are ids."""
    found = Authenticator.objects.filter(user_id__in=users, type__in=FACTORS)
    return int(found.values("user_id").distinct().count())
