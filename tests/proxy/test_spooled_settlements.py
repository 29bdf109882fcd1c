"""A settlement that the database misses waits on disk, and is booked exactly once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from billing.models.hold import HoldState
from tests.proxy.customers import Customer, wait_for
from tests.proxy.outage import CutLine, LockedFile
from tests.services.environment import wanted_database
from tests.services.fixtures import GatewayFactory
from tests.upstream import DONE, Gate, Upstream, chat_json, chat_stream

pytestmark = pytest.mark.usefixtures("clean_books")


@pytest.mark.parametrize("killed", [False, True])
def test_a_call_is_answered_without_the_database_and_booked_when_it_is_back(
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
    database_url: str,
    killed: bool,
) -> None:
    kind = LockedFile if wanted_database() == "sqlite" else CutLine
    outage = kind(database_url)
    started = gateway(DATABASE_URL=outage.url, LEASE_SECONDS=6)
    gate = Gate()
    upstream.on(model="plain", reply=chat_json(credits=5).held(gate))
    upstream.on(model="stream", reply=chat_stream(credits=8).held(gate))
    customer.http(started)
    with ThreadPoolExecutor() as pool:
        plain = pool.submit(customer.chat, started, "plain")
        streamed = pool.submit(customer.chat, started, "stream", stream=True)
        upstream.journal.wait_until(lambda entries: len(entries) == 2)
        outage.begin()
        gate.set()
        answer, events = plain.result(), streamed.result().content

    assert answer.status_code == 200
    assert answer.headers["x-credits-charged"] == "5"
    assert events.endswith(DONE)
    assert b"x-credits-charged=8" in events
    assert started.log_text().count("waits in the spool") == 2
    if killed:
        started.kill()
    outage.end()
    assert {hold.state for hold in customer.holds()} == {HoldState.OPEN}
    if killed:
        started.start()
    wait_for(
        lambda: {hold.state for hold in customer.holds()} == {HoldState.SETTLED},
        explain=started.log_text,
    )
    assert customer.charged_credits() == upstream.total_credits() == 13
    outage.close()
