"""Forms that must not act twice: a ticket tells a reloaded page, or a double click,
from a second wish."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import TypeVar

from django import forms
from django.core.cache import cache
from django.db import transaction

SECONDS = 86_400

T = TypeVar("T")


class Used(Exception):
    """The person has sent this very form before, and it was done."""


class TicketField(forms.CharField):
    """Hidden, another one in each form that is opened."""

    def __init__(self) -> None:
        super().__init__(
            max_length=64, widget=forms.HiddenInput, initial=secrets.token_urlsafe
        )


def once(user_id: int, ticket: str, work: Callable[[], T]) -> T:
    """What `work` returns. It is done in one transaction with the mark of it: where it
    is refused, or cut, the same form may be sent again.

    Raises: Used; whatever `work` raises.
    """
    with transaction.atomic():
        _use(user_id, ticket)
        return work()


def once_slowly(user_id: int, ticket: str, work: Callable[[], T]) -> T:
    """The same of work that asks others first, and so must keep no lock meanwhile.
    Where it is killed the form counts as sent."""
    _use(user_id, ticket)
    try:
        return work()
    except BaseException:  # noqa: BLE001  it is raised again
        cache.delete(_key(user_id, ticket))
        raise


def is_used(user_id: int, ticket: str) -> bool:
    return bool(ticket) and cache.get(_key(user_id, ticket)) is not None


def _use(user_id: int, ticket: str) -> None:
    """Raises: Used."""
    if not cache.add(_key(user_id, ticket), 1, SECONDS):
        raise Used


def _key(user_id: int, ticket: str) -> str:
    sent = f"{user_id}\n{ticket}".encode(errors="replace")
    return f"ticket:{hashlib.sha256(sent).hexdigest()}"
