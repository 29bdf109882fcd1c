"""What this installation has of its own, whatever its settings become."""

from __future__ import annotations

import secrets
from typing import Self

from django.db import models

KEY_BYTES = 32


def new_key() -> bytes:
    """As random as a key has to be."""
    return secrets.token_bytes(KEY_BYTES)


class Installation(models.Model):
    """One row. Its key makes digests of prompts that nobody can try out prompts against
    without the database, and that are the same on every machine, and after SECRET_KEY
    has changed."""

    digest_key = models.BinaryField(default=new_key)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="installation_is_one")
        ]

    def __str__(self) -> str:
        return "this installation"

    @classmethod
    def the(cls) -> Self:
        """The row; the first who asks makes it."""
        return cls.objects.get_or_create(id=1)[0]
