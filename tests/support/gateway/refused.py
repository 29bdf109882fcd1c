"""What every refusal of the gateway looks like, whatever its reason."""

from __future__ import annotations

import httpx

from tests.support.gateway.customers import Customer
from tests.support.upstream import Upstream

RETRIED_BY_SDKS = {408, 409, 429, 500, 502, 503, 504}


def assert_refusal(reply: httpx.Response, status: int, code: str) -> None:
    """OpenAI's error shape, a request id, and a word on whether to try again."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    document = reply.json()
    assert set(document) == {"error"}
    error = document["error"]
    assert set(error) - {"metadata"} == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert error["message"]
    # LiteLLM takes this type for a 400, whatever the status: clients.md A0, trap 11.
    is_clients_fault = status in {400, 404, 405, 408, 413, 415, 422}
    assert (error["type"] == "invalid_request_error") == is_clients_fault
    assert reply.headers["x-request-id"].startswith("req_")
    if status != 429:
        assert reply.headers["x-should-retry"] in ("true", "false")


def assert_nothing_happened(customer: Customer, upstream: Upstream) -> None:
    """No hold was ever taken, and the upstream was never asked."""
    assert customer.holds() == []
    assert [entry.path for entry in upstream.journal] == []
