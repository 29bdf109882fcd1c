"""A run ends with the key that opened it, and with its own."""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing import envelopes, spenders
from billing.models import Hold
from billing.values import clock as clocks
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import wrong_in_the_ledger
from tests.support.ledger.teams import Run, Team, outcome


@pytest.mark.parametrize("closed", ["the key that opened it", "its own key"])
def test_a_run_that_nobody_may_spend_gives_back(
    team: Team, run: Run, closed: str
) -> None:
    held = run.hold(30)
    inner = run.run(20)
    whose = team if closed == "the key that opened it" else run
    spenders.close(whose.spender_id)
    assert outcome(inner, 1) == "SpenderClosed"
    assert envelopes.expire_due() == 2
    assert team.figures() == (1000, 30, 970)
    run.settle(held, 10)
    assert team.figures() == (990, 0, 990)
    assert {each.reason for each in Hold.objects.filter(is_envelope=True)} == {"closed"}
    assert wrong_in_the_ledger() == []


def test_what_has_expired_is_told_from_what_was_closed(
    team: Team, clock: Clock
) -> None:
    run = team.run(60, expires_at=clocks.now() + timedelta(hours=9))
    inner = run.run(20)
    clock.advance(hours=2)
    spenders.close(team.spender_id)
    assert envelopes.expire_due() == 2
    assert envelopes.look(inner.envelope_id).status == "expired"
    assert envelopes.look(run.envelope_id).status == "closed"
    assert wrong_in_the_ledger() == []
