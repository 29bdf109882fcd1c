"""The clients people have, as they are: they work, and cost what the upstream says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients import packages
from tests.clients.packages import Client
from tests.proxy.conftest import Customers
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, chat_json, chat_stream
from tests.support.upstream.defaults import MODELS

CLIENTS = [
    Client("openai", "1.109.1", "openai_sdk.py"),
    Client("openai", "2.54.0", "openai_sdk.py"),
    Client("openai", "3.54.0", "openai_sdk.py"),
    Client("openai", "6.49.0", "openai_sdk.mjs"),
    Client("langchain-openai", "1.7.3", "langchain_openai_models.py"),
    Client("litellm", "1.106.2", "litellm_calls.py"),
]
# Of "Ahoy" and "there", as the upstream makes them.
VECTORS = [[(index + step) / 16 for step in range(8)] for index in range(2)]
CHAT, STREAM = 7, 5  # credits
# What some clients drop on the way, or have no call for.
WITHOUT = {
    "langchain-openai": {"stream.credits", "models", "model"},
    "litellm": {
        "stream.credits",
        "models",
        "model",
        "error.code",
        "error.type",
        "error.tries",
    },
}
ERROR_CLASSES = {"openai": "APIStatusError", "litellm": "APIError"}


def expected(client: Client) -> dict[str, Any]:
    """What the client's script sees when all is well, its error message aside."""
    error_class = "APIError" if client.is_node else ERROR_CLASSES.get(client.package)
    seen: dict[str, Any] = {
        "version": client.version,
        "chat": {"text": "Ahoy", "tokens": 21, "credits": CHAT},
        "stream": {"text": "Hello world", "tokens": 21, "credits": STREAM},
        "embeddings": VECTORS,
        "models": list(MODELS),
        "model": "openai/gpt-4o",
        "error": {
            "class": error_class or "APIStatusError",
            "status": 402,
            "code": "insufficient_credits",
            "type": "insufficient_quota",
            "tries": 1,
        },
    }
    for path in WITHOUT.get(client.package, ()):
        name, _, part = path.partition(".")
        del (seen[name] if part else seen)[part or name]
    return seen


@pytest.mark.once
@pytest.mark.timeout(1200)  # it may have to be installed first
@pytest.mark.parametrize("client", CLIENTS, ids=str)
def test_an_unmodified_client_works_and_pays_what_the_upstream_charged(
    live_gateway: Gateway, upstream: Upstream, customers: Customers, client: Client
) -> None:
    customer, poor = customers(), customers(credits=0)
    upstream.on(model="chat", reply=chat_json(credits=CHAT, text="Ahoy"))
    upstream.on(model="stream", reply=chat_stream(credits=STREAM))
    printed = packages.run(
        client,
        BASE_URL=live_gateway.base_url,
        API_KEY=customer.secret,
        POOR_API_KEY=poor.secret,
    )
    seen = json.loads(printed)
    message = seen["error"].pop("message")

    assert seen == expected(client)
    assert "402: this request needs up to " in message
    assert f"/o/{poor.organization.slug}/" in message
    paid = [entry for entry in upstream.journal if entry.method == "POST"]
    assert [entry.model for entry in paid] == ["chat", "stream", "embed"]
    assert customer.charged_credits() == upstream.total_credits() == CHAT + STREAM + 1
    assert poor.holds() == []
