"""A team with limits, and a run of its key."""

from __future__ import annotations

import pytest

from tests.support.ledger.clocks import Clock
from tests.support.ledger.teams import Run, Team


@pytest.fixture
def team(db: None, clock: Clock) -> Team:
    """With 1000 microcredits."""
    return Team.open(credits=1000)


@pytest.fixture
def run(team: Team) -> Run:
    """Of its key, with 100 of them, for an hour."""
    return team.run(100)
