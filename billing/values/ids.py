"""Ids of holds and transfers: time first (UUID version 7, RFC 9562), then chance.

Rows that are written together then lie together in every index. With random ids each
row of a batch dirtied a page of its own, and writing those pages was half of the
cost of a commit.
"""

from __future__ import annotations

import os
import random
import time
from datetime import datetime
from uuid import UUID

VERSION_AND_VARIANT = 0x7 << 76 | 0b10 << 62
RANDOM_BITS = (0xFFF << 64) | ((1 << 62) - 1)

# An id opens nothing, so it may be guessed, but not come twice. Unlike the system's own
# random bytes, this does not give up the interpreter lock, which a busy neighbour
# thread then keeps.
_chance = random.Random(os.urandom(32))  # noqa: S311
# A forked child must not draw what its parent will draw.
os.register_at_fork(after_in_child=_chance.seed)


def new_id() -> str:
    """32 hexadecimal digits: milliseconds since 1970, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    chance = _chance.getrandbits(80) & RANDOM_BITS
    return f"{milliseconds << 80 | VERSION_AND_VARIANT | chance:032x}"


def first_id_at(moment: datetime) -> UUID:
    """The least id of that moment; ids of earlier ones are below it."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def id_for(hold_id: str, place: int) -> str:
    """The id of a hold's transfer number `place` (1, 2 …): always the same, so that
    the primary key itself refuses to book it twice."""
    return f"{int(hold_id, 16) ^ place:032x}"
