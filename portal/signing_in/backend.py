"""Whose password it is, by an address however it is spelled."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.http import HttpRequest

from portal.models import User


class Backend(AuthenticationBackend):
    """The library's, which hashes for an unknown address, too; addresses get their one
    form before it looks for them."""

    def authenticate(self, request: HttpRequest | None, **given: Any) -> Any:
        email = given.get("email") or given.get("username")
        return super().authenticate(
            request,
            email=User.objects.normalize_email(email),
            password=given.get("password"),
        )
