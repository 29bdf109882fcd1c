"""Digests by which a stored row proves that it is as it was written."""

from __future__ import annotations

from hashlib import blake2b, sha256

DIGEST_BYTES = 16


def digest(text: str) -> str:
    """As ids are written: 32 hexadecimal digits."""
    return blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


def chained(previous: str, text: str) -> str:
    """SHA-256 of a text that follows on another one, which anybody can compute."""
    return sha256(f"{previous}\n{text}".encode()).hexdigest()
