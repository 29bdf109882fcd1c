"""Pools that are shared: nobody holds more than is free, and waiting has an end."""

from __future__ import annotations

import asyncio

import pytest

from portal.runtime.shares import Crowded, Shares, Turns

pytestmark = pytest.mark.once


def taken_by(pool: Shares, owner: str) -> int:
    count = 0
    while pool.has_room(owner):
        pool.take(owner)
        count += 1
    return count


def test_there_is_always_room_for_another() -> None:
    pool = Shares(64)
    assert [taken_by(pool, owner) for owner in "abcd"] == [32, 16, 8, 4]
    with pytest.raises(Crowded) as crowded:
        pool.take("a")
    assert crowded.value.is_own
    pool.give_back("a", 32)
    assert taken_by(pool, "b") > 0
    assert pool.used == sum(pool.held.values()) < 64


def test_one_place_is_for_one() -> None:
    pool = Shares(1)
    assert (taken_by(pool, "a"), taken_by(pool, "b")) == (1, 0)


@pytest.mark.asyncio
async def test_who_waits_for_their_own_share_holds_nobody_up() -> None:
    turns, admitted = Turns(4, waiting_max=9), []

    async def wait(owner: str) -> None:
        await turns.wait(owner, seconds=9)
        admitted.append(owner)

    for _ in range(2):
        await wait("greedy")
    waiting = [asyncio.create_task(wait("greedy")) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.wait_for(wait("other"), 1)
    assert admitted == ["greedy", "greedy", "other"]
    turns.give_back("greedy")
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert admitted[3:] == ["greedy"]
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    assert turns.used == 3


@pytest.mark.asyncio
async def test_a_wait_ends_and_so_does_a_queue() -> None:
    turns = Turns(1, waiting_max=1)
    await turns.wait("a", seconds=9)
    late = asyncio.create_task(turns.wait("b", seconds=0.05))
    await asyncio.sleep(0)
    with pytest.raises(Crowded):
        await turns.wait("b", seconds=9)
    with pytest.raises(Crowded) as crowded:
        await late
    assert not crowded.value.is_own
    turns.give_back("a")
    assert turns.used == 0


@pytest.mark.asyncio
async def test_who_waits_much_is_admitted_by_turns_with_who_waits_once() -> None:
    turns, admitted = Turns(2, waiting_max=9), []

    async def wait(owner: str) -> None:
        await turns.wait(owner, seconds=9)
        admitted.append(owner)
        turns.give_back(owner)

    await turns.wait("a", seconds=9)
    await turns.wait("b", seconds=9)
    waiting = [asyncio.create_task(wait(owner)) for owner in "aaabbbc"]
    await asyncio.sleep(0)
    turns.give_back("a")
    turns.give_back("b")
    await asyncio.gather(*waiting)
    assert admitted.index("c") < 4, admitted
    assert (turns.used, turns._last) == (0, {})
