"""One sandbox for each test: starting one takes milliseconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.payments_sandbox import Stripe


@pytest.fixture
def shop() -> Iterator[Stripe]:
    with Stripe() as stripe:
        yield stripe
