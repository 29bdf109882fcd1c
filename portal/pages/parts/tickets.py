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
    sent = hashlib.sha256(f"{user_id}\n{ticket}".encode(errors="replace")).hexdigest()
    return cache.add(f"ticket:{sent}", True, SECONDS)


def give_back(user_id: int, ticket: str) -> None:
    """Nothing was done: the same form may be sent again."""
    sent = hashlib.sha256(f"{user_id}\n{ticket}".encode(errors="replace")).hexdigest()
    cache.delete(f"ticket:{sent}")
