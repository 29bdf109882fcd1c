"""A buyer, and a shop that is told nothing."""

from __future__ import annotations

import pytest

from tests.support.ledger.buyers import Shop
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import Payer


@pytest.fixture
def buyer(db: None, clock: Clock) -> Payer:
    """An organization without credits."""
    return Payer.open()


@pytest.fixture
def shop() -> Shop:
    return Shop()
