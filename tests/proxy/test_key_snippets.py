"""The snippets of the page that shows a key work as they are pasted."""

from __future__ import annotations

import shutil
import subprocess

import openai
import pytest

from portal.models import Organization, User
from portal.pages.keys import snippets
from portal.tenants import rules
from tests.support.cast import OPERATOR, make_key
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream

pytestmark = pytest.mark.once


def codes(gateway: Gateway, customer: Customer) -> dict[str, str]:
    model = snippets.model_for(customer.key)
    found = snippets.tabs(gateway.base_url, customer.secret, model)
    return {tab.name: tab.code for tab in found}


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_and_python_and_env(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = codes(live_gateway, customer)
    said = subprocess.run(
        ["sh", "-c", f"{code['curl']} --silent --fail"], capture_output=True, check=True
    )
    assert b'"choices"' in said.stdout
    exec(compile(code["python"], "snippet", "exec"), {})  # noqa: S102  what it is for
    assert capsys.readouterr().out.strip()
    for line in code["env"].splitlines():
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value)
    with openai.OpenAI() as client:
        client.chat.completions.create(model=snippets.USUAL, messages=SAY_HI)
    assert len(upstream.journal) == 3


def test_all_python_is_python(live_gateway: Gateway, customer: Customer) -> None:
    code = codes(live_gateway, customer)
    for name in ("python", "langchain", "litellm"):
        compile(code[name], name, "exec")
    assert not [text for text in code.values() if "<" in text and "<base" in text]
    assert all(customer.secret in text for text in code.values())


@pytest.mark.parametrize(
    ("limits", "model"),
    [
        ({}, snippets.USUAL),
        ({"models": ["acme/own-model"]}, "acme/own-model"),
        ({"models": ["x';reboot'"]}, ""),
        ({"models": ["nobody/*"]}, ""),
        ({"operations": ["embeddings"]}, ""),
        ({"operations": ["embeddings", "chat.completions"]}, snippets.USUAL),
    ],
    ids=["all", "one", "harmful", "unknown", "no chat", "chat"],
)
def test_a_snippet_names_a_model_that_the_key_may_call(
    organization: Organization, alice: User, limits: dict[str, list[str]], model: str
) -> None:
    key, _ = make_key(organization, alice)
    if limits:
        rules.set_rules(organization, actor=OPERATOR, key=key, **limits)  # type: ignore[arg-type]
    assert snippets.model_for(key) == model
