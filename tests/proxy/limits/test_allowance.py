"""What a request takes of its limits, and gives back."""

from __future__ import annotations

import asyncio

import pytest

from portal.tenants.rules import LevelRules
from proxy.limits import rates
from proxy.limits.counters import Counters
from proxy.limits.rates import Allowance, duration, name_of

KEY = LevelRules("key", "laptop", 1, requests_per_minute=10, tokens_per_minute=1000)
PROJECT = LevelRules("project", "main", 1, requests_per_minute=3)
TEAM = LevelRules("organization", "acme", 1, tokens_per_minute=500)


async def used(counters: Counters) -> dict[str, int]:
    names = [
        name_of(kind, rule)
        for rule in (KEY, PROJECT, TEAM)
        for kind in (rates.REQUESTS, rates.TOKENS)
    ]
    found = {name: (await counters.look(name, 1)).window.used for name in names}
    return {name: count for name, count in found.items() if count}


async def settle(allowance: Allowance) -> None:
    await allowance.close()
    await rates._correcting.wait(10)


@pytest.mark.asyncio
async def test_every_level_counts_and_the_tightest_is_told() -> None:
    counters = Counters()
    found = await rates.take([KEY, PROJECT, TEAM], 200, source=counters)

    assert found.refusal is None
    assert await used(counters) == {
        "requests:key:1": 1,
        "tokens:key:1": 200,
        "requests:project:1": 1,
        "tokens:organization:1": 200,
    }
    headers = found.headers()
    assert headers["x-ratelimit-limit-requests"] == "3"
    assert headers["x-ratelimit-remaining-requests"] == "2"
    assert headers["x-ratelimit-limit-tokens"] == "500"
    assert headers["x-ratelimit-remaining-tokens"] == "300"
    assert headers["x-ratelimit-reset-tokens"] == headers["x-ratelimit-reset-requests"]


@pytest.mark.asyncio
async def test_what_one_level_refuses_counts_at_none() -> None:
    counters = Counters()
    for _ in range(3):
        (await rates.take([PROJECT], 0, source=counters)).is_called = True
    refused = await rates.take([KEY, PROJECT, TEAM], 200, source=counters)
    await settle(refused)

    assert refused.refusal is not None
    assert (refused.refusal.status, refused.refusal.code) == (
        429,
        "rate_limit_exceeded",
    )
    told = refused.refusal.metadata
    assert (told["level"], told["name"], told["kind"]) == (
        "project",
        "main",
        "requests",
    )
    assert (told["limit"], told["used"], told["required"]) == (3, 3, 1)
    assert refused.headers()["x-ratelimit-remaining-requests"] == "0"
    # What was not asked any more is told all the same.
    assert refused.headers()["x-ratelimit-remaining-tokens"] == "500"
    assert await used(counters) == {"requests:project:1": 3}


@pytest.mark.asyncio
async def test_a_request_without_a_call_takes_nothing() -> None:
    counters = Counters()
    found = await rates.take([KEY, TEAM], 200, source=counters)
    await settle(found)
    assert await used(counters) == {}


@pytest.mark.asyncio
async def test_a_call_counts_with_the_tokens_it_used() -> None:
    counters = Counters()
    found = await rates.take([KEY, TEAM], 200, source=counters)
    found.is_called = True
    found.used(35)
    await settle(found)
    assert await used(counters) == {
        "requests:key:1": 1,
        "tokens:key:1": 35,
        "tokens:organization:1": 35,
    }


@pytest.mark.asyncio
async def test_a_request_larger_than_its_limit_is_told_so() -> None:
    counters = Counters()
    found = await rates.take([KEY, TEAM], 501, source=counters)
    await settle(found)

    assert found.refusal is not None
    assert found.refusal.should_retry is False
    assert found.refusal.retry_after_seconds is None
    assert "Lower max_tokens" in found.refusal.message
    assert found.refusal.metadata["level"] == "organization"
    assert await used(counters) == {}


def test_without_limits_nothing_is_asked() -> None:
    class Silent(Counters):
        async def take(self, *_: object) -> None:  # type: ignore[override]
            raise AssertionError("nobody may ask")

    rules = [LevelRules("key", "laptop", 1, calls_at_once=5, models=("m",))]
    found = asyncio.run(rates.take(rules, 10**9, source=Silent()))
    assert (found.taken, found.refusal, found.headers()) == ([], None, {})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.0123, "12ms"),
        (1, "1s"),
        (7.664, "7.66s"),
        (59.999, "1m0s"),
        (90, "1m30s"),
        (120, "2m0s"),
    ],
)
def test_times_are_written_as_openai_writes_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
