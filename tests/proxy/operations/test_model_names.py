"""Models by a shorter name: the one that is meant, or what may have been."""

from __future__ import annotations

import pytest

from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, error_json, json_reply

pytestmark = pytest.mark.once


def test_a_bare_name_is_the_one_listed_id_that_ends_so(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    """LiteLLM, openai-agents and others eat what stands before the slash."""
    assert customer.chat(live_gateway, "gpt-4o-mini").status_code == 200

    [entry], [record] = upstream.journal, customer.records()
    assert entry.model == record.model == "openai/gpt-4o-mini"
    http = customer.http(live_gateway)
    quote = {"operation": "chat.completions", "request": entry.body}
    named = http.post("/quote", json=quote).json()
    quote["request"] = {**entry.body, "model": "gpt-4o-mini"}
    assert http.post("/quote", json=quote).json() == named


@pytest.mark.parametrize("name", ["text-embedding-3-small", "private", "x/gpt-4o-mini"])
def test_any_other_name_goes_on_as_it_is(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, name: str
) -> None:
    customer.chat(live_gateway, name)

    assert [entry.model for entry in upstream.journal] == [name]


@pytest.fixture
def two_vendors(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> Gateway:
    """A gateway whose upstream lists one name of two vendors."""
    ids = [f"{vendor}/llama" for vendor in ("a", "b")]
    listing = {"object": "list", "data": [{"id": each} for each in ids]}
    upstream.on(path="/models", reply=json_reply(listing))
    started = gateway()
    assert len(customer.openai(started).models.list().data) == 2
    upstream.journal.clear()
    return started


def test_a_name_of_two_is_asked_back(
    two_vendors: Gateway, upstream: Upstream, customer: Customer
) -> None:
    reply = customer.chat(two_vendors, "llama")

    assert_refusal(reply, 404, "model_not_found")
    assert reply.json()["error"]["message"].endswith("Did you mean a/llama or b/llama?")
    assert_nothing_happened(customer, upstream)


def test_a_model_that_the_upstream_does_not_know_is_asked_back(
    two_vendors: Gateway, upstream: Upstream, customer: Customer
) -> None:
    refused = error_json(404, "No such model.", code="model_not_found")
    upstream.on(model="a/lama", reply=refused)
    reply = customer.chat(two_vendors, "a/lama")

    assert_refusal(reply, 404, "model_not_found")
    message = reply.json()["error"]["message"]
    assert message.startswith("No such model. Did you mean a/llama")
    assert customer.charged_credits() == 0
    reply = customer.http(two_vendors).get("/models/b/lama")
    assert ". Did you mean b/llama" in reply.json()["error"]["message"]


def test_without_a_list_names_are_taken_as_they_are(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(path="/models", reply=error_json(500))
    started = gateway()
    for _ in range(2):
        assert customer.chat(started, "gpt-4o-mini").status_code == 200

    listed, *called = upstream.journal
    assert listed.path.endswith("/models")  # once, and not for each call
    assert [entry.model for entry in called] == ["gpt-4o-mini"] * 2
