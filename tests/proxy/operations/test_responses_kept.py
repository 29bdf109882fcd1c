"""Items of earlier responses that are only referred to, as by the AI SDK's default."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from billing.values import clock
from portal.models import Organization
from proxy.models import StoredReply
from tests.proxy.conftest import Customers
from tests.proxy.operations.test_responses import TOOL, chat_of, respond
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, chat_stream


def answered(customer: Customer, gateway: Gateway, **fields: Any) -> str:
    """The id of a response's only item."""
    reply = respond(customer, gateway, **fields)
    return str(reply.text.split('"id":"msg_')[1].split('"')[0])


def refer(customer: Customer, gateway: Gateway, name: str) -> Any:
    reference = {"type": "item_reference", "id": f"msg_{name}"}
    more = {"role": "user", "content": "More"}
    return respond(customer, gateway, input=[reference, more])


@pytest.mark.parametrize("stream", [False, True])
def test_an_item_that_is_referred_to_reaches_the_upstream(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, stream: bool
) -> None:
    whole = chat_of({"content": "Hello world"})
    upstream.on(model="m", reply=[chat_stream() if stream else whole, whole])
    name = answered(customer, live_gateway, stream=stream)
    assert refer(customer, live_gateway, name).status_code == 200

    assert upstream.journal.last.body["messages"] == [
        {"role": "assistant", "content": "Hello world"},
        {"role": "user", "content": "More"},
    ]
    assert customer.charged_credits() == upstream.total_credits()


@pytest.mark.once
def test_what_is_not_kept_or_anothers_is_refused_free(
    live_gateway: Gateway, upstream: Upstream, customers: Customers
) -> None:
    customer, other, private = customers(), customers(), customers()
    Organization.objects.filter(pk=private.organization.pk).update(stores_replies=False)
    upstream.on(model="m", reply=chat_of({"content": "Hello"}))
    kept = answered(customer, live_gateway)
    assert refer(customer, live_gateway, kept).status_code == 200
    for asking, name in (
        (other, kept),
        (private, answered(private, live_gateway)),
        (customer, answered(customer, live_gateway, store=False)),
        (customer, f"{'0' * 32}_0"),
        (customer, "nonsense"),
    ):
        before, held = len(upstream.journal), len(asking.holds())
        refused = refer(asking, live_gateway, name)
        assert_refusal(refused, 400, "unsupported_parameter")
        assert "store set to false" in refused.json()["error"]["message"]
        assert (len(upstream.journal), len(asking.holds())) == (before, held)
    past = clock.now() - timedelta(seconds=1)
    StoredReply.objects.filter(account_id=customer.account_id).update(expires_at=past)
    assert refer(customer, live_gateway, kept).status_code == 400


@pytest.mark.once
def test_a_retry_of_a_response_gets_the_same_events(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_stream(credits=5))
    http = customer.http(live_gateway)
    body = {"model": "m", "input": "Hi", "stream": True, "tools": [TOOL]}
    first, again = (
        http.post("/responses", json=body, headers={"idempotency-key": "order-1"})
        for _ in range(2)
    )
    assert again.content == first.content
    assert again.headers["x-idempotent-replay"] == "true"
    assert len(upstream.journal) == 1
    assert customer.charged_credits() == 5
