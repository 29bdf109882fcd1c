"""Tokens: their count is deterministic, and never above the bytes of the text.

A token is at most four word characters or one other visible character; blanks ride
on the token that follows them. So every token has a character of its own.
"""

from __future__ import annotations

import re

PER_MESSAGE = 4  # the wrapping of a chat message, whatever it says
PIECE = re.compile(r"\s*(?:\w{1,4}|[^\w\s])")


def split(text: str) -> list[str]:
    """The text as tokens; joined again they are the text without its blank end."""
    return PIECE.findall(text)


def count(text: str) -> int:
    return len(split(text))
