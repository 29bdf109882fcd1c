"""Threads that ask the database: one organization never has them all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from billing.values.errors import LedgerUnavailable
from proxy.http.errors import GatewayError
from proxy.process import database

pytestmark = pytest.mark.once

GREEDY, OTHER = 1, 2
SOON_SECONDS = 5


@pytest.mark.asyncio
@pytest.mark.parametrize("ask", [database.read_for, database.write_for])
async def test_a_report_that_takes_long_holds_nobody_else_up(
    ask: Callable[[int, Callable[[], Any]], Awaitable[Any]],
) -> None:
    ended = threading.Event()
    asked = [
        asyncio.ensure_future(ask(GREEDY, ended.wait))
        for _ in range(database.WAITING_MAX + 1)
    ]
    await asyncio.sleep(0)
    try:
        with pytest.raises(GatewayError) as refused:
            await ask(GREEDY, ended.wait)
        assert (refused.value.status, refused.value.code) == (429, "too_many_questions")
        assert refused.value.retry_after_seconds
        async with asyncio.timeout(SOON_SECONDS):
            assert await ask(OTHER, lambda: "answer") == "answer"
            assert await database.read(lambda: "a key") == "a key"
    finally:
        ended.set()
    assert await asyncio.gather(*asked) == [True] * len(asked)


@pytest.mark.asyncio
async def test_a_client_that_leaves_keeps_its_place_until_its_question_ends() -> None:
    ended = threading.Event()
    asked = asyncio.ensure_future(database.read_for(GREEDY, ended.wait))
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.wait({asked})
    again = asyncio.ensure_future(database.read_for(GREEDY, lambda: "again"))
    await asyncio.sleep(0)
    assert not again.done()
    ended.set()
    assert await again == "again"


@pytest.mark.asyncio
async def test_a_question_that_takes_too_long_keeps_its_place_until_it_ends() -> None:
    """Told that it takes too long, its client asked again, and had both threads."""
    ended = threading.Event()
    turns, threads = database._asking_turns, database._asking
    try:
        with pytest.raises(LedgerUnavailable):
            await database._in_turn(GREEDY, turns, threads, ended.wait, 0.1)
        again = asyncio.ensure_future(database.read_for(GREEDY, lambda: "again"))
        async with asyncio.timeout(SOON_SECONDS):
            assert await database.read_for(OTHER, lambda: "answer") == "answer"
        await asyncio.wait({again}, timeout=0.2)
        assert not again.done()
    finally:
        ended.set()
    assert await again == "again"
