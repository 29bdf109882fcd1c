"""How a test waits: for a condition, never for a time within which it mostly holds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

T = TypeVar("T")

# For what will surely come. Waiting longer costs nothing when it comes, and a busy
# machine needs it; pytest's own timeout leaves room for two of these in one test.
PATIENCE_SECONDS = 100
POLL_SECONDS, POLL_SECONDS_MAX = 0.01, 0.05  # from one to the other, by and by
MINUTE = 60
# Longer than a test of rates takes, on a busy machine too.
ROOM_SECONDS = 20
# A client that gives up on an answer which the test keeps from it: its request is sent
# however long that takes.
IMPATIENT_CLIENT = httpx.Timeout(PATIENCE_SECONDS, read=1)


def wait_for(
    look: Callable[[], T | None],
    *,
    explain: Callable[[], Any] = lambda: "nothing to show",
) -> T:
    """What `look` finds, once it is something. Raises: AssertionError."""
    deadline, pause = time.monotonic() + PATIENCE_SECONDS, POLL_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited in vain: {explain()}"
        time.sleep(pause)
        pause = min(1.2 * pause, POLL_SECONDS_MAX)
    return found


def wait_for_room_in_the_minute() -> None:
    """For a test of what is counted a minute, that it does not begin in one and end in
    the next: a count of ten would be nine and something, and one more let through."""
    left = MINUTE - time.time() % MINUTE
    if left < ROOM_SECONDS:
        time.sleep(left)
