"""Two sandboxes for the session: one that never waits, one at a human pace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.sandbox.server import Sandbox, serve


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with serve(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture(scope="session")
def slow_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with serve(tmp_path_factory.mktemp("slow"), pace_ms=60) as running:
        yield running
