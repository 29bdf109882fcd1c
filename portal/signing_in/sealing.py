"""What must be read again and is not for the database's readers: encrypted."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.utils.encoding import force_bytes

SALT = b"portal.signing_in.sealing"


def seal(text: str) -> str:
    return _ring().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Raises: InvalidToken when SECRET_KEY is another and none of the fallbacks."""
    return _ring().decrypt(sealed.encode()).decode()


def _ring() -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_key(secret)) for secret in secrets])


def _key(secret: str | bytes) -> bytes:
    digest = hashlib.sha256(SALT + b"\0" + force_bytes(secret)).digest()
    return base64.urlsafe_b64encode(digest)
