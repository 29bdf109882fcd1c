"""The same request for a run, sent again under its Idempotency-Key: one run."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from billing.models import Envelope
from billing.values import errors
from billing.values.orders import CREDIT
from portal.models import RunRequest
from portal.tenants import runs
from portal.tenants.runs import Asking
from proxy.http.errors import GatewayError
from proxy.views import envelopes
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.gateway.runs import ask, opened
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway

BODY: dict[str, Any] = {"credits": 10, "expires_in_seconds": 600}


def count(customer: Customer) -> int:
    return Envelope.objects.filter(account_id=customer.account_id).count()


def test_it_is_opened_once_and_its_key_is_told_again(
    live_gateway: Gateway, customer: Customer
) -> None:
    first = ask(customer, live_gateway, key="night", json=BODY)
    again = ask(customer, live_gateway, key="night", json=BODY)

    assert again.json() == first.json()
    assert again.headers["x-idempotent-replay"] == "true"
    assert "x-idempotent-replay" not in first.headers
    assert count(customer) == 1
    assert customer.held_credits() == 10


def test_many_at_once_open_one(live_gateway: Gateway, customer: Customer) -> None:
    customer.http(live_gateway)
    with ThreadPoolExecutor(8) as pool:
        asked = [
            pool.submit(ask, customer, live_gateway, key="night", json=BODY)
            for _ in range(8)
        ]
        replies = [each.result() for each in asked]
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.json()["api_key"] for reply in replies}) == 1
    assert count(customer) == 1


def test_another_request_under_the_same_key_is_refused(
    live_gateway: Gateway, customer: Customer
) -> None:
    opened(customer, live_gateway, 10, key="night")
    other = ask(customer, live_gateway, key="night", json={**BODY, "credits": 11})
    assert_refusal(other, 422, "idempotency_mismatch")
    _, phone = customer.new_key(name="phone")
    theirs = ask(customer, live_gateway, key="night", json=BODY, secret=phone)
    assert_refusal(theirs, 422, "idempotency_mismatch")
    assert count(customer) == 1


def test_what_was_refused_may_be_asked_again(
    live_gateway: Gateway, customer: Customer
) -> None:
    body = {**BODY, "credits": 200_000}
    refused = ask(customer, live_gateway, key="night", json=body)
    assert_refusal(refused, 402, "insufficient_credits")
    assert not RunRequest.objects.filter(organization=customer.organization).exists()
    opened(customer, live_gateway, 10, key="night")


def test_credits_are_added_once(live_gateway: Gateway, customer: Customer) -> None:
    run = opened(customer, live_gateway, 10)
    path, body = f"/{run['id']}", {"credits": 5}
    customer.http(live_gateway)
    with ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(
                ask, customer, live_gateway, "PATCH", path, key="more", json=body
            )
            for _ in range(4)
        ]
        replies = [each.result() for each in asked]
    assert [reply.json()["credits"] for reply in replies] == ["15"] * 4
    again = ask(customer, live_gateway, "PATCH", path, json=body)
    assert again.json()["credits"] == "20"


def test_with_another_secret_key_the_run_is_found_and_its_key_is_not(
    gateway: GatewayFactory, customer: Customer
) -> None:
    first = gateway()
    opened(customer, first, 10, key="night")
    second = gateway(SECRET_KEY="another-key-for-tests-only-" + "y" * 40)
    again = ask(customer, second, key="night", json=BODY)
    assert_refusal(again, 409, "already_completed")
    assert count(customer) == 1


def test_credits_are_added_once_however_often_the_gateway_itself_tries(
    live_gateway: Gateway, customer: Customer
) -> None:
    """The database may be asked again when the answer to a commit was lost."""
    run = opened(customer, live_gateway, 10)
    envelope_id = UUID(run["id"].removeprefix("env_"))
    asking = Asking(customer.key.id, request_id=uuid4().hex)
    for _ in range(2):
        added = runs.add_credits(envelope_id, 5 * CREDIT, asking=asking)
    assert added.credits_micros == 15 * CREDIT


@pytest.mark.parametrize(
    ("request_id", "error", "is_refused"),
    [
        ("", errors.LedgerUnavailable("lost"), True),
        ("", errors.NothingWritten("busy"), False),
        ("digest", errors.LedgerUnavailable("lost"), False),
    ],
)
def test_only_what_can_be_asked_again_without_harm_is_retried_by_sdks(
    monkeypatch: pytest.MonkeyPatch,
    request_id: str,
    error: errors.LedgerUnavailable,
    is_refused: bool,
) -> None:
    async def failing(_owner: int, _change: object) -> None:
        raise error

    monkeypatch.setattr(envelopes, "write_for", failing)
    asking = Asking(uuid4(), request_id=request_id)
    with pytest.raises(GatewayError if is_refused else type(error)) as met:
        asyncio.run(envelopes._written(1, lambda: None, asking))
    if isinstance(met.value, GatewayError):
        assert met.value.should_retry is False
