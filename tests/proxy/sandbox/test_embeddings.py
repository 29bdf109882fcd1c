"""Embeddings: vectors, usage without credits, and the charge in the journal."""

from __future__ import annotations

import math
from typing import Any

import httpx
import pytest

from proxy.sandbox import operations
from proxy.upstream import schemas
from tests.support.sandbox.server import Sandbox


def embed(sandbox: Sandbox, **fields: Any) -> httpx.Response:
    with sandbox.http() as client:
        return client.post("/embeddings", json={"input": "a quiet harbour", **fields})


def test_the_reply_keeps_the_contract_and_names_no_credits(sandbox: Sandbox) -> None:
    reply = embed(sandbox)
    schemas.validator("EmbeddingResponse").validate(reply.json())
    assert set(reply.json()["usage"]) == {"prompt_tokens", "total_tokens"}
    [entry] = sandbox.entries(reply.headers["x-request-id"])
    assert entry["operation"] == "embeddings"
    assert entry["credits"] == 1
    assert entry["prompt_tokens"] == reply.json()["usage"]["total_tokens"]


def test_a_thousand_tokens_cost_a_credit(sandbox: Sandbox) -> None:
    reply = embed(sandbox, input=["word " * 900, "word " * 101], dimensions=1)
    assert reply.json()["usage"]["total_tokens"] == 1001
    [entry] = sandbox.entries(reply.headers["x-request-id"])
    assert entry["credits"] == 2


def test_the_openai_sdk_reads_the_reply(sandbox: Sandbox) -> None:
    with sandbox.openai() as client:
        reply = client.embeddings.create(
            model="text-embedding-3-large", input=["one", "two", "one"]
        )
    one, two, again = (item.embedding for item in reply.data)
    assert len(one) == 3072
    assert one == again
    assert one != two


def test_vectors_have_length_one() -> None:
    vector = operations.vector("text-embedding-3-small", "tide", 1536)
    assert len(vector) == 1536
    assert math.isclose(math.hypot(*vector), 1)
    assert vector == operations.vector("text-embedding-3-small", "tide", 1536)
    assert vector != operations.vector("text-embedding-3-large", "tide", 1536)


def test_dimensions_are_honoured(sandbox: Sandbox) -> None:
    reply = embed(sandbox, dimensions=256).json()
    assert len(reply["data"][0]["embedding"]) == 256


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": 3073}, "dimensions"),
        ({"dimensions": "many"}, "dimensions"),
        ({"input": 7}, "input"),
        ({"input": []}, "input"),
        ({"model": "openai/gpt-4o"}, "model"),
    ],
)
def test_a_bad_field_is_named(
    sandbox: Sandbox, fields: dict[str, Any], named: str
) -> None:
    reply = embed(sandbox, **fields)
    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith(f"{named}: ")
