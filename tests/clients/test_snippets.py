"""The snippets that a new key's page shows, pasted into a file and run as they are."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pytest

from portal.pages.keys import snippets
from tests.clients import packages
from tests.clients.packages import Client
from tests.clients.test_every_operation import AI_SDK
from tests.clients.test_unmodified_clients import CLIENTS
from tests.proxy.conftest import Customers
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, chat_json

OPENAI_NODE = next(client for client in CLIENTS if client.is_node)
BY_PACKAGE = {client.package: client for client in CLIENTS}
SNIPPETS = {
    "js": OPENAI_NODE,
    "ai-sdk": AI_SDK,
    "langchain": BY_PACKAGE["langchain-openai"],
    "litellm": BY_PACKAGE["litellm"],
}


def printed(client: Client, code: str) -> str:
    """What the code prints beside the client's packages."""
    folder = packages.installed(client)
    if client.is_node:
        # Node looks for packages where the file is.
        with tempfile.NamedTemporaryFile(
            "w", dir=folder, prefix="snippet-", suffix=".mjs"
        ) as file:
            file.write(code)
            file.flush()
            return output([packages.node(), file.name], {})
    return output([sys.executable, "-S", "-c", code], {"PYTHONPATH": str(folder)})


def output(command: list[str], variables: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "HOME": tempfile.gettempdir(), **variables},
        cwd=tempfile.gettempdir(),
        capture_output=True,
        text=True,
        timeout=packages.RUN_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.mark.once
@pytest.mark.timeout(1200)  # it may have to be installed first
@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_works_as_it_is_pasted(
    live_gateway: Gateway, upstream: Upstream, customers: Customers, name: str
) -> None:
    customer = customers()
    upstream.on(model=snippets.USUAL, reply=chat_json(credits=2, text="Ahoy there"))
    tabs = snippets.tabs(live_gateway.base_url, customer.secret, snippets.USUAL)
    code = next(tab.code for tab in tabs if tab.name == name)

    assert "Ahoy there" in printed(SNIPPETS[name], code)
    assert [entry.model for entry in upstream.journal] == [snippets.USUAL]
    assert customer.charged_credits() == 2
