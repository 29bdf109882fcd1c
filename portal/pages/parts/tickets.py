"""Forms that must not act twice: a ticket tells a reloaded page, or a double click,
from a second wish."""

from __future__ import annotations

import hashlib
import secrets

from django import forms
from django.core.cache import cache

SECONDS = 86_400


class TicketField(forms.CharField):
    """Hidden, another one in each form that is opened."""

    def __init__(self) -> None:
        super().__init__(
            max_length=64, widget=forms.HiddenInput, initial=secrets.token_urlsafe
        )


def use(user_id: int, ticket: str) -> bool:
    """False when the person has sent this very form before."""
    return cache.add(_key(user_id, ticket), 1, SECONDS)


def is_used(user_id: int, ticket: str) -> bool:
    return bool(ticket) and cache.get(_key(user_id, ticket)) is not None


def give_back(user_id: int, ticket: str) -> None:
    """Nothing was done: the same form may be sent again."""
    cache.delete(_key(user_id, ticket))


def _key(user_id: int, ticket: str) -> str:
    sent = f"{user_id}\n{ticket}".encode(errors="replace")
    return f"ticket:{hashlib.sha256(sent).hexdigest()}"
