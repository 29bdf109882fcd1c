"""The operator's upstream key stays here: upstreams quote it in their errors."""

from __future__ import annotations

from django.conf import settings

STAND_IN = "[redacted]"


def without_key(text: str) -> str:
    """Text of the upstream's that may be shown to a customer."""
    return text.replace(settings.UPSTREAM_API_KEY, STAND_IN)


def scrubbed(content: bytes) -> bytes:
    """The same for bytes; untouched, and not copied, when there is nothing to hide."""
    return content.replace(settings.UPSTREAM_API_KEY.encode(), STAND_IN.encode())
