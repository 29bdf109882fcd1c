"""JSON of the upstream's, read so that it can be written again.

orjson reads 1,024 levels and writes 254: an answer in between was paid for, and then
could neither be sent nor stored.
"""

from __future__ import annotations

from typing import Any

import orjson

# Ours around it need a few more.
DEPTH_MAX = 128
# Everything but brackets, which are all alike.
OTHERS = bytes(set(range(256)) - set(b"[]{}"))
ALIKE = bytes.maketrans(b"{}", b"[]")


def parse(content: bytes) -> Any:
    """What the JSON says. Raises: ValueError where it is none, or too deep."""
    found = orjson.loads(content)
    may_be_deep = content.count(b"[") + content.count(b"{") > DEPTH_MAX
    if may_be_deep and _is_deep(content):
        raise ValueError("too deep")
    return found


def _is_deep(content: bytes) -> bool:
    """Whether `content`, which is JSON, is: the innermost brackets go, level by
    level."""
    plain = content.replace(rb"\\", b"").replace(rb"\"", b"")
    # What is between two quotes is a string's own.
    left = b"".join(plain.split(b'"')[::2]).translate(ALIKE, OTHERS)
    for _ in range(DEPTH_MAX):
        if not left:
            return False
        left = left.replace(b"[]", b"")
    return bool(left)
