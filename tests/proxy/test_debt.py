"""An organization that owes is refused, and told what to do about it."""

from __future__ import annotations

from billing import amendments, debts, grants
from billing.values.orders import CREDIT
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.gateway.runs import ask, opened
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

    key = customer.http(live_gateway).get("/key").json()
    assert (key["owed"], key["owed_micros"]) == ("3.5", 3 * CREDIT + CREDIT // 2)

    grants.issue(account_id, 100 * CREDIT, source="purchase", reference=f"{account_id}")
    assert customer.chat(live_gateway).status_code == 200


def test_no_run_is_opened_or_raised_until_it_is_paid(
    live_gateway: Gateway, customer: Customer
) -> None:
    run = opened(customer, live_gateway, 5)
    taken = customer.available_micros() + 3 * CREDIT
    amendments.clawback(customer.account_id, taken, why())

    wanted = {"credits": 1, "expires_in_seconds": 60}
    one_more = {"credits": 1}
    for refused in (
        ask(customer, live_gateway, json=wanted),
        ask(customer, live_gateway, json=wanted, secret=run["api_key"]),
        ask(customer, live_gateway, "PATCH", f"/{run['id']}", json=one_more),
    ):
        assert_refusal(refused, 402, "debt_unpaid")
        assert refused.json()["error"]["metadata"]["owed_credits"] == "3"


def test_a_quote_says_so_though_there_are_credits(
    live_gateway: Gateway, customer: Customer
) -> None:
    """What a running call returned pays with the next sweep."""
    hold_id = customer.hold(20 * CREDIT)
    amendments.clawback(customer.account_id, customer.figures()[0] + CREDIT, why())
    customer.release(hold_id)
    assert customer.available_micros() == 20 * CREDIT

    body = {"operation": "embeddings", "request": {"model": "m", "input": "Ahoy"}}
    found = customer.http(live_gateway).post("/quote", json=body).json()
    checks = {check["name"]: check for check in found["checks"]}
    assert found["passes"] is False
    assert checks["credits"]["passes"] is True
    assert checks["debt"]["passes"] is False
    assert checks["debt"]["owed"] == "21"
    assert "owes 21 credits" in found["suggestion"]
    debts.pay_all()
    assert customer.figures()[0] == 0
