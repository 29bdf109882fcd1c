"""An organization that owes is refused, and told what to do about it."""

from __future__ import annotations

from billing import amendments, grants
from billing.values.orders import CREDIT
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.ledger.operators import why
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream


def test_who_owes_is_refused_until_it_is_paid(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    account_id = customer.organization.account_id
    amendments.clawback(
        account_id, customer.available_micros() + 3 * CREDIT + CREDIT // 2, why()
    )

    refused = customer.chat(live_gateway)
    assert_refusal(refused, 402, "debt_unpaid")
    assert_nothing_happened(customer, upstream)
    error = refused.json()["error"]
    assert error["metadata"]["owed_credits"] == "3.5"
    assert "owes 3.5 credits" in error["message"]
    assert f"/o/{customer.organization.slug}/" in error["message"]

    grants.issue(account_id, 100 * CREDIT, source="purchase", reference=f"{account_id}")
    assert customer.chat(live_gateway).status_code == 200
