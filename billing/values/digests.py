"""Digests by which a stored row proves that it is as it was written."""

from __future__ import annotations

from hashlib import blake2b

DIGEST_BYTES = 16


def digest(text: str) -> str:
    """As ids are written: 32 hexadecimal digits."""
    return blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()
