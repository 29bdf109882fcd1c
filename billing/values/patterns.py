"""Names that stand for many: `*` is any text, commas make a list.

Read without regular expressions, so that no pattern takes long, whoever wrote it.
"""

from __future__ import annotations


def matches(patterns: tuple[str, ...], name: str) -> bool:
    """Whether one of the patterns is `name`'s; of no patterns, every name's is."""
    return not patterns or any(_matches(pattern, name) for pattern in patterns)


def _matches(pattern: str, name: str) -> bool:
    first, *others = pattern.split("*")
    if not others:
        return name == pattern
    *between, last = others
    if not name.startswith(first) or not name.endswith(last):
        return False
    end, place = len(name) - len(last), len(first)
    for part in between:
        found = name.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return place <= end
