"""What the demonstration shows of limits: a budget that refuses, a run that gives
back."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
from openai import OpenAI

from billing import budgets
from billing.budgets import Subject
from billing.models.budget import Level, Window
from billing.values.orders import CREDIT
from portal.models import ApiKey
from proxy.demo.calls import MODEL, QUESTION, line, refused
from proxy.demo.lines import Line

BUDGET_CREDITS = 1
RUN = {"credits": 20, "expires_in_seconds": 600, "label": "demo run"}
TOO_LONG = 100_000  # tokens: more than the run has credits for


def limit(key: ApiKey) -> None:
    """A budget that has no room for a call."""
    budgets.set_limit(
        key.organization.account_id,
        Subject(Level.KEY, spender_id=key.spender_id),
        Window.DAY,
        BUDGET_CREDITS * CREDIT,
        counts_spend_so_far=True,
    )


def budget(client: OpenAI) -> Line:
    """With the key of `limit`."""
    return _expected(refused("beyond its budget", client), "402 budget_exceeded")


def run(client: OpenAI) -> Iterator[Line]:
    """Opened, spent by an SDK that knows nothing of it, met at its limit, closed."""
    opened = _ask(client.post("/envelopes", cast_to=httpx.Response, body=RUN))
    yield Line("run opened", f"200, {opened['status']}", held=opened["left"])
    child = client.with_options(api_key=opened["api_key"])
    chat = child.chat.completions.with_raw_response.create(
        model=MODEL, messages=QUESTION
    )
    yield line("chat, by the run", "200", chat.headers)
    over = refused("beyond the run", child, max_tokens=TOO_LONG)
    yield _expected(over, "402 envelope_exhausted")
    path = f"/envelopes/{opened['id']}"
    closed = _ask(client.delete(path, cast_to=httpx.Response))
    # By the run's own figures: the balance is moved by the team's past, too, whose
    # doubts the worker ends meanwhile.
    rest = Decimal(opened["credits"]) - Decimal(closed["spent"])
    is_back = Decimal(closed["left"]) == rest > 0
    outcome = f"200, {closed['status']}, the rest is back"
    yield Line("run closed", outcome, charged=closed["spent"], is_right=is_back)
    ended = refused("with its key", child)
    yield _expected(ended, "401 envelope_closed")


def _expected(found: Line, outcome: str) -> Line:
    return found._replace(is_right=found.is_right and found.outcome == outcome)


def _ask(reply: httpx.Response) -> dict[str, Any]:
    document: dict[str, Any] = reply.json()
    return document
