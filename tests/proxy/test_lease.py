"""While a gateway lives its lease is renewed, whatever else goes wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from billing import holds
from billing.models import Lease
from billing.models.hold import HoldState
from billing.values import clock
from tests.support.gateway.customers import Customer
from tests.support.services.fixtures import GatewayFactory
from tests.support.upstream import Gate, Upstream, chat_json
from tests.support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("clean_ledger")


def test_a_spool_that_cannot_be_read_costs_no_lease(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    started = gateway(LEASE_SECONDS=2)
    gate = Gate()
    upstream.on(model="m", reply=chat_json(credits=5).held(gate))
    spool = started.var_dir / "spool"
    if spool.exists():
        spool.rmdir()
    spool.write_text("no folder")
    with ThreadPoolExecutor() as pool:
        call = pool.submit(customer.chat, started, "m")
        upstream.journal.wait_arrived()
        [hold] = customer.holds()
        lease_id = str(hold.lease_id)
        wait_for(lambda: started.log_text().count("renewal failed") > 1)
        later = clock.now() + timedelta(seconds=1)
        # Renewed once more, after the failures and for longer than until then.
        wait_for(
            lambda: Lease.objects.filter(id=lease_id, expires_at__gt=later),
            explain=started.log_text,
        )
        holds.sweep(in_doubt_after=timedelta(days=1))
        assert [each.state for each in customer.holds()] == [HoldState.OPEN]
        gate.set()
        assert call.result().status_code == 200
    spool.unlink()
    assert customer.charged_credits() == upstream.total_credits() == 5
