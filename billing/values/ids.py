"""Ids of holds and transfers: time first (UUID version 7, RFC 9562), then chance.

Rows that are written together then lie together in every index. With random ids each
row of a batch dirtied a page of its own, and writing those pages was half of the
cost of a commit.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

VERSION_AND_VARIANT = 0x7 << 76 | 0b10 << 62
RANDOM_BITS = (0xFFF << 64) | ((1 << 62) - 1)


CHANCE_BYTES = 10
POOL = 256

_pool: Iterator[bytes] = iter(())


def new_id() -> str:
    """32 hexadecimal digits: milliseconds since 1970, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    chance = int.from_bytes(_chance()) & RANDOM_BITS
    return f"{milliseconds << 80 | VERSION_AND_VARIANT | chance:032x}"


def _chance() -> bytes:
    """Random bytes, used once. Drawn many at a time: each draw gives up the
    interpreter lock, which a busy neighbour thread then keeps."""
    global _pool
    drawn = next(_pool, None)  # atomic: no two threads get the same
    if drawn is None:
        block = os.urandom(CHANCE_BYTES * POOL)
        # A list's iterator: unlike a generator it may be asked by two threads at once.
        _pool = iter(
            [
                block[start : start + CHANCE_BYTES]
                for start in range(0, len(block), CHANCE_BYTES)
            ]
        )
        drawn = os.urandom(CHANCE_BYTES)
    return drawn


def _forget() -> None:
    """A forked child must not draw what its parent will draw."""
    global _pool
    _pool = iter(())


os.register_at_fork(after_in_child=_forget)


def id_for(hold_id: str, place: int) -> str:
    """The id of a hold's transfer number `place` (1, 2 …): always the same, so that
    the primary key itself refuses to book it twice."""
    return f"{int(hold_id, 16) ^ place:032x}"
