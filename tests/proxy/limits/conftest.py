"""What is counted a minute fades as the next one begins."""

from __future__ import annotations

import pytest

from tests.support.waiting import wait_for_room_in_the_minute


@pytest.fixture(autouse=True)
def in_one_minute() -> None:
    wait_for_room_in_the_minute()
