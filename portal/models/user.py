"""A person who signs in, known by e-mail address."""

from __future__ import annotations

import unicodedata
from functools import partialmethod
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models, transaction
from django.db.models.functions import Lower

# Characters; more than an address has in any form.
TYPED_MAX = 1_000


class UserManager(BaseUserManager["User"]):
    """Creates users by e-mail, and finds them, by an address in its one form."""

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """The one form of an address: NFKC, as Django's sign-in form makes it, small
        letters, no space around it.

        It is made here and not by the database, because SQLite knows the case of
        ASCII only, and PostgreSQL takes "ı" for "i". Addresses are compared in no
        other way, so that one can never be found as another.

        Strangers post it: what is too long for any address is cut, and no more than
        that. To bring 2 MB of it into one form took a second and 126 MiB.
        """
        typed = (email or "").strip()  # as forms do: space does not make it longer
        if len(typed) > TYPED_MAX:
            return typed[:TYPED_MAX]
        text = unicodedata.normalize("NFKC", typed).strip().lower()
        return unicodedata.normalize("NFKC", text)

    def create_user(self, email: str, password: str | None = None, **more: Any) -> User:
        """A person whose address somebody else vouches for: the operator, or who wrote
        to it. Who signs up proves theirs by a code (`portal/signing_in`)."""
        user = self.model(email=self.normalize_email(email), **more)
        user.set_password(password)
        with transaction.atomic(using=self._db):
            user.save(using=self._db)
            addresses: Any = user.emailaddress_set  # type: ignore[attr-defined]
            addresses.create(email=user.email, verified=True, primary=True)
        return user

    create_superuser = partialmethod(create_user, is_staff=True, is_superuser=True)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=self.normalize_email(username))


class User(AbstractUser):
    """One person; belongs to organizations by membership."""

    username = None  # type: ignore[assignment]
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=150, blank=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    class Meta:
        db_table = "portal_user"
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_once_in_any_case"),
        ]

    def __str__(self) -> str:
        return self.email
