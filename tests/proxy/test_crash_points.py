"""Killed at every labelled point of a call: each hold ends, each charge is known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from billing import holds
from billing.models.hold import HoldState
from tests.support.gateway.customers import Customer
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, chat_json, chat_stream
from tests.support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("clean_ledger")

CREDITS = 5
LONG = timedelta(days=1)  # doubts are listed, not yet closed
NOT_HELD, DOUBTFUL, SETTLED = "not held", HoldState.IN_DOUBT, HoldState.SETTLED

# Where it dies, whether the call is streamed, and what the ledger then knows of it.
POINTS = [
    ("ledger.before_commit", False, NOT_HELD),
    ("ledger.after_commit", False, DOUBTFUL),
    ("call.held", False, DOUBTFUL),
    ("call.answered", False, DOUBTFUL),
    ("call.read", False, DOUBTFUL),
    ("ledger.before_commit:2", False, DOUBTFUL),
    ("ledger.after_commit:2", False, SETTLED),
    ("call.resolved", False, SETTLED),
    ("call.answered", True, DOUBTFUL),
    ("stream.event", True, DOUBTFUL),
    ("stream.event:3", True, DOUBTFUL),
    ("ledger.before_commit:2", True, DOUBTFUL),
    ("ledger.after_commit:2", True, SETTLED),
    ("stream.settled", True, SETTLED),
]


def on_both(point: str) -> Any:
    """The ledger's own points differ between databases; the others do not."""
    return [] if point.startswith("ledger") else [pytest.mark.once]


@pytest.mark.parametrize(
    ("point", "stream", "known"),
    [pytest.param(*row, marks=on_both(row[0])) for row in POINTS],
)
def test_a_call_that_dies_there_is_charged_once_or_listed(
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
    point: str,
    stream: bool,
    known: str,
) -> None:
    upstream.on(
        model="m", reply=(chat_stream if stream else chat_json)(credits=CREDITS)
    )
    started = gateway(CRASHPOINT=point)
    with pytest.raises(httpx.TransportError):
        customer.chat(started, "m", stream=stream)
    assert_it_died(started)
    customer.end_leases()  # nobody will settle what it left open
    holds.sweep(in_doubt_after=LONG)

    states = [hold.state for hold in customer.holds()]
    assert states == ([] if known == NOT_HELD else [known])
    forwarded = point not in ("ledger.before_commit", "ledger.after_commit")
    assert len(upstream.journal) == (forwarded and point != "call.held")
    assert customer.charged_credits() == (CREDITS if known == SETTLED else 0)
    if known == SETTLED:
        assert customer.charged_credits() == upstream.total_credits()
    holds.sweep(in_doubt_after=LONG)  # the first one had swept it all
    assert [hold.state for hold in customer.holds()] == states


def assert_it_died(started: Gateway) -> None:
    """The whole server, not one worker: nothing of it may go on."""
    wait_for(lambda: not started.is_running or not started.is_healthy())
    started.kill()
