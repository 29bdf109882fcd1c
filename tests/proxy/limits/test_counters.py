"""Counters of a minute: in memory, in Redis, and while Redis is away."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias
from uuid import uuid4

import pytest
import pytest_asyncio
import time_machine

from proxy.limits.counters import Counters, Memory, Taken, Window
from tests.support.services.redis_server import RedisServer
from tests.support.waiting import PATIENCE_SECONDS

MINUTE_BEGINS = 1_800_000_000  # a multiple of 60
SECONDS = 2  # until Redis is away


Make: TypeAlias = Callable[..., Counters]


@pytest_asyncio.fixture
async def make() -> AsyncIterator[Make]:
    """`make("redis://…")`: as one more process has it. On a busy machine Redis may
    answer late without being away."""
    made: list[Counters] = []

    def one(url: str = "", *, redis_seconds: float = PATIENCE_SECONDS) -> Counters:
        made.append(Counters(url, redis_seconds=redis_seconds, away_seconds=1))
        return made[-1]

    yield one
    for each in made:
        await each.close()


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    """Of each storage."""
    if request.param == "memory":
        return ""
    found: str = request.getfixturevalue("redis_url")
    return found


async def take_all(counters: Counters, name: str, count: int, limit: int) -> list[bool]:
    """Who of `count` that come at once gets one."""
    taken = await asyncio.gather(*(counters.take(name, 1, limit) for _ in range(count)))
    return [not each.is_refused for each in taken]


@pytest.mark.asyncio
async def test_exactly_the_limit_is_taken_whatever_comes_at_once(
    make: Make, url: str
) -> None:
    counters, name = make(url), uuid4().hex
    got = await take_all(counters, name, 50, 7)
    if url:  # and another process
        got += await take_all(make(url), name, 50, 7)

    assert sum(got) == 7
    assert (await counters.look(name, 1)).window.used == 7


@pytest.mark.asyncio
async def test_what_is_refused_takes_nothing_and_a_smaller_one_still_fits(
    make: Make, url: str
) -> None:
    counters, name = make(url), uuid4().hex
    outcomes = [await counters.take(name, amount, 100) for amount in (60, 60, 101, 40)]

    assert [each.is_refused for each in outcomes] == [False, True, True, False]
    assert (await counters.look(name, 1)).window.used == 100


@pytest.mark.asyncio
async def test_a_guess_is_put_right_either_way(make: Make, url: str) -> None:
    counters, name = make(url), uuid4().hex
    taken = await counters.take(name, 80, 100)
    await counters.correct(taken, 30)
    assert (await counters.look(name, 1)).window.used == 30
    more = await counters.take(name, 10, 100)
    await counters.correct(more, 500)  # above the limit, and the next one is refused

    assert (await counters.look(name, 1)).window.used == 530
    assert (await counters.take(name, 1, 100)).is_refused


def test_the_minute_fades_and_the_wait_that_is_told_is_enough() -> None:
    async def scene(clock: time_machine.Traveller) -> None:
        counters = Counters()
        taken: list[Taken] = [await counters.take("name", 1, 6) for _ in range(7)]
        assert [each.is_refused for each in taken] == [False] * 6 + [True]
        wait = taken[-1].window.seconds_until(5)
        assert wait == pytest.approx(60)  # then the first of them begins to fade
        clock.shift(wait - 1)
        assert (await counters.take("name", 1, 6)).is_refused
        clock.shift(1.1)
        assert not (await counters.take("name", 1, 6)).is_refused
        clock.shift(120)
        assert (await counters.look("name", 1)).window.used == 0

    with time_machine.travel(MINUTE_BEGINS, tick=False) as clock:
        asyncio.run(scene(clock))


def test_counters_whose_time_is_over_take_no_place() -> None:
    async def scene(clock: time_machine.Traveller) -> None:
        memory = Memory()
        for number in range(1000):
            await memory.acquire_sliding_window_entry(f"key {number}", 5, 60)
        assert len(memory.storage) == len(memory.expirations) == 1000
        clock.shift(61)  # what fades is kept
        await memory.acquire_sliding_window_entry("one more", 5, 60)
        assert len(memory.storage) == 1001
        clock.shift(61)
        await memory.acquire_sliding_window_entry("one more", 5, 60)
        assert len(memory.storage) == len(memory.expirations) == 2

    with time_machine.travel(MINUTE_BEGINS, tick=False) as clock:
        asyncio.run(scene(clock))


def test_what_comes_back_after_its_minute_gives_nothing_to_the_next() -> None:
    async def scene(clock: time_machine.Traveller) -> None:
        counters = Counters()
        taken = await counters.take("name", 90, 100)
        clock.shift(60)
        await counters.correct(taken, 0)
        assert (await counters.take("name", 60, 100)).is_refused  # 45 still count

    with time_machine.travel(MINUTE_BEGINS + 30, tick=False) as clock:
        asyncio.run(scene(clock))


@pytest.mark.parametrize(
    ("window", "used", "reset", "wait"),
    [
        (Window(0, 0, 0, 60), 0, 0, 0),
        (Window(10, 30, 0, 30), 5, 30, 6),  # until less than 4 of 10 count
        (Window(10, 30, 3, 30), 8, 90, 24),  # until less than 1 of the 10 does
        (Window(0, 0, 6, 30), 6, 90, 50),  # until less than 4 of the 6 do
        (Window(0, 0, -5, 30), 0, 0, 0),
    ],
)
def test_how_a_window_fades(window: Window, used: int, reset: int, wait: int) -> None:
    assert window.used == used
    assert window.reset_seconds == reset
    assert window.seconds_until(3) == pytest.approx(wait)


@pytest.mark.asyncio
@pytest.mark.parametrize("trouble", ["frozen", "gone"])
async def test_without_redis_calls_go_on_and_are_still_limited(
    make: Make, redis_server: RedisServer, trouble: str
) -> None:
    counters, name = make(redis_server.url, redis_seconds=SECONDS), uuid4().hex
    shared = await counters.take(name, 3, 5)
    if trouble == "frozen":
        redis_server.process.send_signal(signal.SIGSTOP)
    else:
        redis_server.stop()
    began = time.monotonic()
    got = await take_all(counters, name, 20, 5)
    waited = time.monotonic() - began
    began_again = time.monotonic()
    for _ in range(20):
        await counters.correct(shared, 0)  # fails quietly, and nobody waits again

    assert time.monotonic() - began_again < 20 * SECONDS
    assert sum(got) == 5
    # All of them at once waited for Redis, once.
    assert waited < 10 * SECONDS
    if trouble == "frozen":
        redis_server.process.send_signal(signal.SIGCONT)
    else:
        redis_server.start()
    for _ in range(600):
        await asyncio.sleep(0.1)
        if (
            not (await counters.take(uuid4().hex, 1, 1)).is_refused
            and (await counters.take(name, 3, 5)).storage is shared.storage
        ):
            break
    else:
        pytest.fail("Redis is back, and nobody asks it")
