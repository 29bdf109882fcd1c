"""Runs cost requests of the minute, and a key has so many open at most."""

from __future__ import annotations

from portal.tenants import rules
from tests.support.cast import actor_of
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.gateway.runs import ask, opened
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.waiting import wait_for_room_in_the_minute

ONE = {"credits": 1, "expires_in_seconds": 60}


def test_opening_and_raising_a_run_is_a_request(
    live_gateway: Gateway, customer: Customer
) -> None:
    wait_for_room_in_the_minute()
    rules.set_rules(
        customer.organization,
        actor=actor_of(customer.owner),
        key=customer.key,
        requests_per_minute=3,
    )
    run = opened(customer, live_gateway, 1)
    path, too_much = f"/{run['id']}", {**ONE, "credits": 1_000_000}
    refused = ask(customer, live_gateway, json=too_much)  # what is refused is free
    assert_refusal(refused, 402, "insufficient_credits")
    for left in ("1", "0"):
        raised = ask(customer, live_gateway, "PATCH", path, json={"credits": 1})
        assert raised.status_code == 200
        assert raised.headers["x-ratelimit-remaining-requests"] == left
    for refused in (
        ask(customer, live_gateway, json=ONE),
        ask(customer, live_gateway, "PATCH", path, json={"credits": 1}),
    ):
        assert_refusal(refused, 429, "rate_limit_exceeded")
    assert ask(customer, live_gateway, "DELETE", path).status_code == 200


def test_a_key_has_so_many_runs_open_at_most(
    gateway: GatewayFactory, customer: Customer
) -> None:
    at_most = gateway(ENVELOPES_OPEN_MAX="2")
    runs = [opened(customer, at_most, 10, key=name) for name in ("one", "two")]
    refused = ask(customer, at_most, json=ONE)
    assert_refusal(refused, 429, "too_many_envelopes")
    assert refused.json()["error"]["metadata"]["limit"] == 2
    again = opened(customer, at_most, 10, key="two")  # it is open already
    assert again["id"] == runs[1]["id"]
    opened(customer, at_most, 1, secret=runs[0]["api_key"])  # another key's
    ask(customer, at_most, "DELETE", f"/{runs[0]['id']}").raise_for_status()
    opened(customer, at_most, 1)
