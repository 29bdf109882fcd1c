"""What is used once: marks in the database, which no cache evicts."""

from __future__ import annotations

import pytest
import time_machine
from django.core.cache import cache

from portal.signing_in import limits

NOW = 1_800_000_000


@pytest.mark.django_db
def test_a_mark_is_set_once_until_its_time_is_over_or_it_is_given_back() -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        assert cache.get("ticket") is None
        assert cache.add("ticket", "y", 60)
        assert not cache.add("ticket", "y", 60)
        assert cache.add("another's ticket \0 \ud800", "y", 60)
        assert cache.get("ticket") is not None
        clock.shift(61)
        assert cache.get("ticket") is None
        assert cache.add("ticket", "y", 60)
        cache.delete("ticket")
        assert cache.add("ticket", "y", 60)
        clock.shift(61)
        assert limits.purge() >= 2
