"""Embeddings: vectors in the form that was asked for, priced by the tariff."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from billing.values.orders import CREDIT
from tests.support.gateway.customers import Customer
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, embeddings_json, json_reply

VECTOR = [step / 16 for step in range(8)]  # what the upstream makes of any one text


def embed(gateway: Gateway, customer: Customer, **body: Any) -> Any:
    reply = customer.http(gateway).post("/embeddings", json=body)
    return reply.raise_for_status().json()


def test_the_sdk_gets_the_upstreams_numbers_though_it_asked_for_base64(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    client = customer.openai(live_gateway)
    reply = client.embeddings.create(model="e", input=["Ahoy", "there"])

    assert [item.embedding for item in reply.data] == [
        VECTOR,
        [(1 + step) / 16 for step in range(8)],
    ]
    [entry] = upstream.journal
    assert entry.path.endswith("/embeddings")
    assert entry.body == {"model": "e", "input": ["Ahoy", "there"]}
    [record] = customer.records()
    assert (record.operation, record.model) == ("embeddings", "e")


@pytest.mark.once
@pytest.mark.parametrize("encoding", [{}, {"encoding_format": "float"}])
def test_floats_are_the_answer_to_those_who_do_not_ask_for_base64(
    live_gateway: Gateway, customer: Customer, encoding: dict[str, str]
) -> None:
    reply = embed(live_gateway, customer, input="Ahoy", **encoding)

    assert reply["data"][0]["embedding"] == VECTOR


@pytest.mark.once
def test_base64_holds_little_endian_floats(
    live_gateway: Gateway, customer: Customer
) -> None:
    reply = embed(live_gateway, customer, input="Ahoy", encoding_format="base64")

    packed = base64.b64decode(reply["data"][0]["embedding"])
    assert list(struct.unpack("<8f", packed)) == VECTOR


@pytest.mark.parametrize("input_", [[1, 2, 3], [[1, 2], [3]], ["text", 7]])
def test_token_ids_are_refused_with_the_cure(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, input_: Any
) -> None:
    http = customer.http(live_gateway)
    reply = http.post("/embeddings", json={"input": input_})

    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "input"
    assert "check_embedding_ctx_length=False" in reply.json()["error"]["message"]
    assert (len(upstream.journal), customer.holds()) == (0, [])


@pytest.mark.parametrize(
    ("text", "credits"), [("x" * 4, 1), ("x" * 4_000, 1), ("x" * 4_004, 2)]
)
def test_the_tariff_prices_the_tokens_that_the_upstream_counted(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    text: str,
    credits: int,
) -> None:
    reply = embed(live_gateway, customer, model="e", input=text)

    [entry], [record] = upstream.journal, customer.records()
    assert entry.credits == credits
    assert record.charged_micros == credits * CREDIT
    assert (record.basis, record.upstream_micros) == ("computed", None)
    assert record.prompt_tokens == len(text) // 4
    tokens = {"prompt_tokens": len(text) // 4, "total_tokens": len(text) // 4}
    assert reply["usage"] == {**tokens, "credits_used": credits}


def test_credits_that_the_upstream_names_come_before_the_tariff(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    usage = {"prompt_tokens": 1, "total_tokens": 1, "credits_used": 9}
    document = {"object": "list", "data": [], "model": "e", "usage": usage}
    upstream.on(model="e", reply=json_reply(document, credits=9))

    assert embed(live_gateway, customer, model="e", input="Ahoy")["usage"] == usage
    [record] = customer.records()
    assert (record.basis, record.charged_micros) == ("upstream", 9 * CREDIT)


@pytest.mark.once
@pytest.mark.parametrize(
    "data",
    [None, 7, [7], [{}], [{"embedding": ["x"]}], [{"embedding": [10**400]}], {"a": 1}],
)
def test_odd_vectors_are_handed_on_as_they_came(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, data: Any
) -> None:
    reply = embeddings_json("Ahoy")
    upstream.on(model="e", reply=json_reply({"data": data}, credits=reply.credits))
    http = customer.http(live_gateway)
    body = {"model": "e", "input": "Ahoy", "encoding_format": "base64"}

    answer = http.post("/embeddings", json=body)
    # A number that no JSON parser holds makes the whole reply unreadable.
    assert answer.status_code == (502 if "10000" in str(data) else 200)
    [hold] = customer.wait_over()
    assert hold.state == ("in_doubt" if answer.status_code == 502 else "settled")


@pytest.mark.once
def test_vectors_without_numbers_get_their_places(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    data = [{"embedding": [1.0]}, {"embedding": [2.0], "index": None}]
    upstream.on(model="e", reply=json_reply({"object": "list", "data": data}))
    shown = embed(live_gateway, customer, model="e", input=["a", "b"])["data"]

    assert [item["index"] for item in shown] == [0, 1]


@pytest.mark.once
def test_nulls_are_the_defaults_and_bookkeeping_stays_here(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    nothing = dict.fromkeys(("dimensions", "encoding_format", "user", "metadata"))
    said = {"user": "u", "metadata": {"a": "b"}, "safety_identifier": "s"}
    for extra in (nothing, said):
        embed(live_gateway, customer, model="e", input="Ahoy", **extra)

    bodies = [entry.body for entry in upstream.journal]
    assert bodies == 2 * [{"model": "e", "input": "Ahoy"}]


@pytest.mark.once
@pytest.mark.parametrize(
    "usage", [{}, {"usage": None}, {"usage": {"total_tokens": "x"}}]
)
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_tokens_that_nobody_counted_are_those_that_were_charged(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    usage: dict[str, Any],
    encoding: str,
) -> None:
    document = {"data": [{"embedding": VECTOR}], "model": "e", **usage}
    upstream.on(model="e", reply=json_reply(document, credits=2))
    text = "x" * 4_004
    reply = embed(
        live_gateway, customer, input=text, model="e", encoding_format=encoding
    )

    # Without them the AI SDK throws an answer away that was paid for.
    tokens = {"prompt_tokens": 1001, "total_tokens": 1001}
    assert reply["usage"] == {**tokens, "credits_used": 2}
    [record] = customer.records()
    assert (record.basis, record.charged_micros) == ("estimated", 2 * CREDIT)
