"""Each test starts with an empty cache: no counted sign-ins, no used tickets."""

from __future__ import annotations

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    cache.clear()
