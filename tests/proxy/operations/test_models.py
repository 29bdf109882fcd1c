"""The list of models: free, found by any spelling of an id, rather old than none."""

from __future__ import annotations

import asyncio

import openai
import pytest
from pytest_django.fixtures import Settings

from proxy.upstream import client
from proxy.upstream.catalogue import Catalogue
from tests.support.gateway.customers import Customer
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, error_json, html, json_reply
from tests.support.upstream.defaults import MODELS

pytestmark = pytest.mark.once


def test_the_sdk_lists_the_upstreams_models(
    live_gateway: Gateway, customer: Customer
) -> None:
    models = list(customer.openai(live_gateway).models.list())

    assert {model.id for model in models} >= set(MODELS)
    assert models[0].model_extra is not None
    assert models[0].model_extra["category"]  # what the upstream says beyond OpenAI's
    assert customer.holds() == []


@pytest.mark.parametrize(
    "path",
    ["openai/gpt-4o", "openai%2Fgpt-4o", "openai%2fgpt-4o", "text-embedding-3-small"],
)
def test_one_model_is_found_with_its_slash_encoded_or_not(
    live_gateway: Gateway, customer: Customer, path: str
) -> None:
    reply = customer.http(live_gateway).get(f"/models/{path}")

    assert reply.status_code == 200
    assert reply.json()["id"] == path.lower().replace("%2f", "/")
    assert reply.headers["x-request-id"].startswith("req_")


def test_the_sdk_retrieves_a_model_whose_id_needs_encoding(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    listing = {"object": "list", "data": [{"id": "flux/dev:free", "object": "model"}]}
    upstream.on(path="/models", reply=json_reply(listing))
    started = gateway()

    sdk = customer.openai(started)
    assert sdk.models.retrieve("flux/dev:free").id == "flux/dev:free"
    with pytest.raises(openai.NotFoundError) as refused:
        sdk.models.retrieve("flux/dev:paid")
    assert refused.value.code == "model_not_found"
    assert refused.value.param == "model"


def test_without_any_list_the_client_is_told_to_try_again(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    http = customer.http(gateway())
    for reply in (error_json(500), html(), json_reply([]), json_reply({"data": None})):
        upstream.on(path="/models", reply=reply)
        refused = http.get("/models")
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "upstream_unavailable"
        assert refused.headers["x-should-retry"] == "true"

    upstream.reset()
    assert http.get("/models").status_code == 200


@pytest.mark.asyncio
async def test_an_old_list_is_better_than_none(
    upstream: Upstream, settings: Settings
) -> None:
    settings.UPSTREAM_BASE_URL = upstream.url
    catalogue = Catalogue()
    fresh = await catalogue.models()
    upstream.on(path="/models", reply=error_json(500))
    catalogue._until = 0.0  # a minute later

    assert fresh
    assert await catalogue.models() == fresh
    await client.shared().aclose()


@pytest.mark.asyncio
async def test_while_the_upstream_hangs_all_have_the_old_list_and_it_is_asked_once(
    upstream: Upstream, settings: Settings
) -> None:
    settings.UPSTREAM_BASE_URL = upstream.url
    catalogue, gate = Catalogue(), Gate()
    fresh = await catalogue.models()
    upstream.on(path="/models", reply=json_reply({"data": [{"id": "new"}]}).held(gate))
    catalogue._until = 0.0  # a minute later
    before = len(upstream.journal)
    try:
        async with asyncio.timeout(5):  # the upstream never answers
            found = await asyncio.gather(*(catalogue.models() for _ in range(60)))
        assert found == [fresh] * 60
    finally:
        gate.set()
    assert catalogue._asking is not None
    await catalogue._asking
    assert [each["id"] for each in await catalogue.models()] == ["new"]
    assert len(upstream.journal) == before + 1
    await client.shared().aclose()
