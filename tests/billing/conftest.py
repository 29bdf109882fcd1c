"""Fixtures of the ledger's tests: a clock to move, a customer, a stranger."""

from __future__ import annotations

import pytest

from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import Payer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The ledger's clock, standing still."""
    clock = Clock()
    monkeypatch.setattr("billing.values.clock.source", clock)
    return clock


@pytest.fixture
def customer(db: None, clock: Clock) -> Payer:
    """With 100 microcredits, at cost."""
    return Payer.open(credits=100)


@pytest.fixture
def stranger(db: None, clock: Clock) -> Payer:
    """Another organization, with 100 microcredits of its own."""
    return Payer.open(credits=100)
