"""Runs over HTTP, in as few words as a test needs."""

from __future__ import annotations

from typing import Any

import httpx
import openai

from tests.support.gateway.customers import Customer
from tests.support.services.gateway import Gateway


def ask(
    customer: Customer,
    gateway: Gateway,
    method: str = "POST",
    path: str = "",
    *,
    secret: str | None = None,
    key: str | None = None,
    **options: Any,
) -> httpx.Response:
    """Of `/v1/envelopes`, with the customer's key or another; `key` is an
    Idempotency-Key."""
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    if key is not None:
        headers["idempotency-key"] = key
    url = f"/envelopes{path}"
    return customer.http(gateway).request(method, url, headers=headers, **options)


def opened(
    customer: Customer,
    gateway: Gateway,
    credits: float = 100,
    *,
    secret: str | None = None,
    key: str | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """A run that stands, with its `api_key`."""
    body = {"credits": credits, "expires_in_seconds": 600, **fields}
    reply = ask(customer, gateway, secret=secret, key=key, json=body)
    document: dict[str, Any] = reply.raise_for_status().json()
    return document


def sdk(gateway: Gateway, run: dict[str, Any]) -> openai.OpenAI:
    """The official SDK, which knows nothing of runs: the key is all there is."""
    return openai.OpenAI(
        base_url=gateway.base_url, api_key=run["api_key"], max_retries=0
    )
