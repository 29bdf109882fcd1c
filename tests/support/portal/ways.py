"""What the ways of people through the portal share: calls, mailed codes, clicks."""

from __future__ import annotations

import re
import time

import openai
import pytest
from playwright.sync_api import Page

from tests.support.sandbox.server import SAY_HI
from tests.support.services.gateway import Gateway

MODEL = "openai/gpt-4o-mini"
CODE = re.compile(r"^\s*([A-Z]{4}-[A-Z]{4})\s*$", re.MULTILINE)


def call(gate: Gateway, secret: str) -> str:
    """A chat by the official SDK; its answer."""
    with openai.OpenAI(base_url=gate.base_url, api_key=secret, max_retries=0) as client:
        made = client.chat.completions.create(model=MODEL, messages=SAY_HI)
    return made.choices[0].message.content or ""


def refusal(gate: Gateway, secret: str) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as refused:
        call(gate, secret)
    return refused.value


def mailed_code(gate: Gateway, email: str) -> str:
    """The code in the last mail to this address."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        after = gate.log_text().rpartition(f"To: {email}")[2]
        if found := CODE.search(after):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(gate.log_text()[-2000:])


class Clicks:
    """Counts what a person presses."""

    def __init__(self, page: Page) -> None:
        self.page, self.count = page, 0

    def link(self, name: str) -> None:
        self._press("link", name)

    def button(self, name: str) -> None:
        self._press("button", name)

    def _press(self, role: str, name: str) -> None:
        self.count += 1
        self.page.get_by_role(role, name=name, exact=True).first.click()  # type: ignore[arg-type]
