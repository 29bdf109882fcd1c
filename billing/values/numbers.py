"""Whole numbers that come from outside: read in one place, which cannot raise.

`int` takes digits of every script, raises for `²` though `isdigit` is true of it, and
refuses, by raising, what has more than 4,300 digits.
"""

from __future__ import annotations

ID_MAX = 2**63 - 1  # what a column of ids can hold


def whole(text: object, *, least: int = 0, most: int) -> int | None:
    """The number that `text` is, in ASCII digits alone; None for anything else, and
    for what is not from `least` to `most`. Neither is below 0."""
    digits = _digits(text)
    if digits is None or len(digits) > len(str(most)):
        return None
    found = int(digits or "0")
    return found if least <= found <= most else None


def capped(text: object, *, most: int) -> int | None:
    """The same, but `most` for whatever is more."""
    digits = _digits(text)
    if digits is None:
        return None
    return most if len(digits) > len(str(most)) else min(int(digits or "0"), most)


def _digits(text: object) -> str | None:
    """Without the zeros in front; empty for 0."""
    if isinstance(text, str) and text.isascii() and text.isdigit():
        return text.lstrip("0")
    return None
