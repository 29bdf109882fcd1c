"""How much work a JSON body would be, before it is parsed.

Twenty MiB of one picture are nothing; twenty MiB of keys are two million objects of
Python's, each checked, priced and written again. So what stands outside of strings is
counted first, by bytes and not by objects: some ten milliseconds for twenty MiB.
"""

from __future__ import annotations

from dataclasses import dataclass

# A body below this cannot be much work.
SMALL_BYTES = 16 * 1024
OBJECTS_MAX = 20_000
KEYS_MAX = 60_000
STRINGS_MAX = 120_000
ELEMENTS_MAX = 400_000
AT_ONCE = 1024**2
# Everything but what JSON is built of.
TEXT = bytes(set(range(256)) - set(b'"{}[]:,'))


@dataclass(eq=False)
class TooMuch(Exception):
    """More than so many of something."""

    what: str
    most: int

    def __str__(self) -> str:
        return f"The body has more than {self.most:,} {self.what}."


def check(content: bytes) -> int:
    """How many keys and elements there may be. Raises: TooMuch."""
    if len(content) < SMALL_BYTES:
        return len(content)
    plain = content.replace(rb"\\", b"").replace(rb"\"", b"")
    # By pieces: no second copy of a picture.
    bones = b"".join(
        plain[start : start + AT_ONCE].translate(None, TEXT)
        for start in range(0, len(plain), AT_ONCE)
    )
    if bones.count(b'"') > 2 * STRINGS_MAX:
        raise TooMuch("strings", STRINGS_MAX)
    # What is between two quotes is a string's own.
    outside = b"".join(bones.split(b'"')[::2])
    for sign, what, most in (
        (b"{", "objects", OBJECTS_MAX),
        (b":", "keys", KEYS_MAX),
        (b",", "elements", ELEMENTS_MAX),
    ):
        if outside.count(sign) > most:
            raise TooMuch(what, most)
    return len(outside)
