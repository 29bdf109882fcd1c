"""A plain HTTP client in the gateway's place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import httpx
import pytest

from tests.support.upstream import Upstream
from tests.support.waiting import PATIENCE_SECONDS

Ask: TypeAlias = Callable[..., httpx.Response]


@pytest.fixture
def http(upstream: Upstream) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=upstream.url, timeout=PATIENCE_SECONDS) as client:
        yield client


@pytest.fixture
def ask(http: httpx.Client) -> Ask:
    """`ask("some-model", "the prompt", stream=True)`"""

    def post(
        model: str = "any",
        prompt: str = "Hi",
        route: str = "/chat/completions",
        **more: Any,
    ) -> httpx.Response:
        messages = [{"role": "user", "content": prompt}]
        return http.post(route, json={"model": model, "messages": messages, **more})

    return post
