"""What is counted a minute fades as the next one begins."""

from __future__ import annotations

import time

import pytest

MINUTE = 60
# Longer than a test takes here, on a busy machine too. The next ones have the whole of
# the minute that was waited for.
ROOM_SECONDS = 20


@pytest.fixture(autouse=True)
def room_in_the_minute() -> None:
    """No test here begins in one minute and ends in the next: a count of ten would be
    nine and something, and one more would be let through."""
    left = MINUTE - time.time() % MINUTE
    if left < ROOM_SECONDS:
        time.sleep(left)
