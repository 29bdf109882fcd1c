"""Fixtures of the ledger's tests: a clock to move, a customer, a stranger."""

from __future__ import annotations

import pytest

from tests.billing.clocks import Clock
from tests.billing.customers import Customer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The ledger's clock, standing still."""
    clock = Clock()
    monkeypatch.setattr("billing.clock.now", clock)
    return clock


@pytest.fixture
def customer(db: None, clock: Clock) -> Customer:
    """With 100 microcredits, at cost."""
    return Customer.open(credits=100)


@pytest.fixture
def stranger(db: None, clock: Clock) -> Customer:
    """Another organization, with 100 microcredits of its own."""
    return Customer.open(credits=100)
