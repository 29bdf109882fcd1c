"""A client that does not wait for its plain answer: the call ends all the same."""

from __future__ import annotations

import httpx
import pytest

from billing.models.hold import HoldState
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.raw import RawCall
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, chat_json
from tests.support.waiting import IMPATIENT_CLIENT, wait_for

pytestmark = pytest.mark.usefixtures("clean_ledger")


def test_a_client_that_gives_up_early_pays_what_the_upstream_charged(
    quiet_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    said_before = len(quiet_gateway.log_text())
    gate = Gate()
    upstream.on(reply=chat_json(credits=6, charge="after").held(gate))
    for number in range(8):
        call = RawCall(quiet_gateway, customer.secret)
        call.send(model=f"m-{number}", messages=SAY_HI)
        upstream.journal.wait_arrived(number + 1)
        call.leave(reset=number % 2 == 1)
    customer.http(quiet_gateway).timeout = IMPATIENT_CLIENT
    with pytest.raises(httpx.ReadTimeout):
        customer.chat(quiet_gateway)
    upstream.journal.wait_arrived(9)
    gate.set()
    records = customer.wait_records(9)

    assert {entry.state for entry in upstream.journal} == {"complete"}
    assert customer.charged_credits() == upstream.total_credits() == 9 * 6
    assert {record.basis for record in records} == {"upstream"}
    assert {hold.state for hold in customer.holds()} == {"settled"}
    assert "Traceback" not in quiet_gateway.log_text()[said_before:]


def test_the_gateway_goes_on_serving_the_others(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="slow", reply=chat_json(credits=2).delayed(0.5))
    for _ in range(20):
        call = RawCall(live_gateway, customer.secret)
        call.send(model="slow", messages=SAY_HI)
        call.leave(reset=True)
        assert customer.chat(live_gateway, "quick").status_code == 200

    # A reset may overtake its own request; what was forwarded is paid, to the credit.
    def is_paid() -> bool:
        is_over = all(hold.state != HoldState.OPEN for hold in customer.holds())
        return is_over and customer.charged_credits() == upstream.total_credits()

    wait_for(is_paid, explain=customer.holds)
    assert len(customer.records()) == len(upstream.journal)
