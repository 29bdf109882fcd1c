"""The operator's upstream key stays here: upstreams quote it in their errors."""

from __future__ import annotations

import re
from functools import cache

from django.conf import settings

STAND_IN = "[redacted]"


def without_key(text: str) -> str:
    """Text of the upstream's that may be shown to a customer."""
    return _pattern(settings.UPSTREAM_API_KEY).sub(STAND_IN, text)


def scrubbed(content: bytes) -> bytes:
    """The same for bytes, JSON or not; untouched, and not copied, when there is nothing
    to hide. What JSON writes with backslashes is found, too, however often it was
    written into other JSON."""
    key: str = settings.UPSTREAM_API_KEY
    if key.encode() in content or b"\\" in content:
        found, count = _pattern_of_bytes(key).subn(STAND_IN.encode(), content)
        return found if count else content
    return content


@cache
def _pattern(key: str) -> re.Pattern[str]:
    return re.compile("".join(map(_spelled, key)))


@cache
def _pattern_of_bytes(key: str) -> re.Pattern[bytes]:
    return re.compile(_pattern(key).pattern.encode())


def _spelled(character: str) -> str:
    """A character itself, or as JSON may escape it."""
    digits = "".join(
        f"[{digit}{digit.upper()}]" if digit.isalpha() else digit
        for digit in f"{ord(character):04x}"
    )
    backslashes = r"\\*" if character in '"\\/' else ""
    return rf"(?:{backslashes}{re.escape(character)}|\\+u{digits})"
