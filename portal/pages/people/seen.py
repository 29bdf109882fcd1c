"""What is known of members' accounts: when they were seen last, how they sign in."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from portal.models import User


def last_seen(user_ids: Collection[int]) -> dict[int, datetime]:
    """When each was last here, of whom it is known."""
    found = User.objects.filter(pk__in=user_ids, last_login__isnull=False)
    return {pk: at for pk, at in found.values_list("pk", "last_login") if at}


def with_second_factor(user_ids: Collection[int]) -> set[int]:
    """Who has one."""
    return set()
