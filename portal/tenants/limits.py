"""Slowing down password guessing, without letting anybody lock out a victim.

Counted by address and account together: a stranger's failures from elsewhere never
keep the owner of a name from signing in. The counter is atomic in both caches.
"""

from __future__ import annotations

import hashlib

from django.core.cache import cache

from portal.models import User

FAILURES_MAX = 10
WINDOW_SECONDS = 900


def allow(address: str | None, name: str) -> bool:
    """Count one attempt before it is checked; False when the pair has had too many."""
    key = counter_of(address, name)
    cache.add(key, 0, WINDOW_SECONDS)
    try:
        return cache.incr(key) <= FAILURES_MAX
    except ValueError:  # the window ended between the two lines
        return True


def forget(address: str | None, name: str) -> None:
    """A right password clears the pair's counter."""
    cache.delete(counter_of(address, name))


def counter_of(address: str | None, name: str) -> str:
    """Whole digest: no name typed into a form can reach another's counter.

    By the form in which a user is looked up: another spelling of it, which opens the
    same account, counts as the same name.
    """
    pair = f"{address}\n{User.objects.normalize_email(name)}"
    return f"sign-in:{hashlib.sha256(pair.encode(errors='replace')).hexdigest()}"
