"""Agents' frameworks, unmodified: plain, streamed, a loop of tools, a structured answer
and a picture; each costs what the sandbox's journal says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients import bundles
from tests.clients.bundles import Bundle
from tests.proxy.conftest import Customers
from tests.support.gateway.journalled import assert_charges_are_the_journals, operations
from tests.support.sandbox.server import KEY, Sandbox
from tests.support.services.fixtures import GatewayFactory

# openai-agents, Pydantic AI, the AI SDK by their defaults: the responses.
BUNDLES = [
    Bundle(
        "agents",
        (
            "openai_agents.py",
            "pydantic_ai_agents.py",
            "langchain_agent.py",
            "haystack_agent.py",
            "smolagents_loop.py",
            "instructor_models.py",
            "llm_models.py",
        ),
    ),
    Bundle("assistants", ("llama_index_agent.py", "semantic_kernel_chat.py")),
    Bundle(
        "frameworks",
        (
            "ai_sdk_responses.mjs",
            "openai_agents.mjs",
            "langchain_openai.mjs",
            "openai_responses.mjs",
        ),
        npm=(
            "openai@6.49.0",
            "ai@6.0.326",
            "@ai-sdk/openai@3.0.141",
            "@openai/agents@0.20.0",
            "@langchain/openai@1.5.8",
            "@langchain/core@1.4.0",
            "zod@4.6.7",
        ),
    ),
]
TOWN = {"inhabitants": 1}
TEXTS = ("plain", "stream", "tool", "again", "image")
# It makes objects by calls of tools, and has no loop of its own.
OBJECTS_ONLY = "instructor_models.py"


@pytest.mark.once
@pytest.mark.timeout(1200)  # it may have to be installed first
@pytest.mark.usefixtures("clean_ledger")
@pytest.mark.parametrize("bundle", BUNDLES, ids=str)
def test_a_framework_works_and_pays_what_the_upstream_charged(
    gateway: GatewayFactory, sandbox: Sandbox, customers: Customers, bundle: Bundle
) -> None:
    customer = customers()
    started = gateway(UPSTREAM_BASE_URL=sandbox.base_url, UPSTREAM_API_KEY=KEY)
    told = bundles.run(bundle, BASE_URL=started.base_url, API_KEY=customer.secret)

    for script, seen in told.items():
        check(script, seen)
    assert set(operations(sandbox)) == {"chat.completions"}
    assert len(operations(sandbox)) >= 4 * len(told)
    assert_charges_are_the_journals(customer, sandbox)


def check(script: str, seen: dict[str, Any]) -> None:
    """All that a script saw is there."""
    assert seen["structured"].items() >= TOWN.items(), script
    assert seen["structured"]["name"], script
    if script == OBJECTS_ONLY:
        assert seen["stream_structured"] == seen["image_structured"], script
        assert seen["stream_structured"] == seen["structured"], script
        return
    assert seen["called"] == ["sandbox"], script  # once, with what the model said
    for name in TEXTS:
        assert seen.get(name, "sandbox").count("sandbox") >= 1, (script, name)
    assert seen["plain"].find("Say hi.") > 0, script
    assert seen["stream"].find("Say hi.") > 0, script
    assert seen["image"].find("What is this?") > 0, script
