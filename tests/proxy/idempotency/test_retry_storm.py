"""The SDK's own retries over four gateways, while their database is taken away, held up
and slow at random: each request is one charged call, and each has its own answer."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import openai
import pytest

from billing.values.orders import CREDIT
from tests.support import seeds
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.outage import CutLine, Outage
from tests.support.gateway.retrying import InTurn, sdk_over, text_of
from tests.support.ledger.locks import ledger_locked
from tests.support.services.fixtures import GatewayFactory
from tests.support.upstream import (
    JournalEntry,
    ScriptedReply,
    Upstream,
    chat_json,
    chat_stream,
    error_json,
)

CALLS = int(os.environ.get("RETRIES") or 100)
CALLERS = 10
TEXTS = max(5, CALLS // 4)  # so that each is asked some times, by anybody
TIMEOUT_SECONDS = 1.2
RETRIES_MAX = 100
# Later than that, what is left of the calls ends: an SDK's pauses reach 8 s.
TROUBLE_SECONDS = 0.15 * CALLS


class Moody:
    """Slow now and then, and busy now and then; no two answers are the same."""

    def __init__(self, chance: random.Random) -> None:
        self._chance, self._lock, self._count = chance, threading.Lock(), 0

    def __call__(self, entry: JournalEntry) -> ScriptedReply:
        with self._lock:
            self._count += 1
            number, mood = self._count, self._chance.random()
        if mood < 0.1:
            return error_json(429 if mood < 0.05 else 503)
        text, credits = f"answer {number}", number % 7 + 1
        seconds = mood * 2 if mood > 0.8 else mood / 10
        if entry.body.get("stream"):
            return chat_stream(pieces=[text], credits=credits).delayed(seconds)
        return chat_json(text=text, credits=credits).delayed(seconds)


class Trouble:
    """What befalls the database, one thing after another, for TROUBLE_SECONDS."""

    def __init__(
        self, customer: Customer, outage: Outage, chance: random.Random
    ) -> None:
        self._customer, self._outage, self._chance = customer, outage, chance
        self._is_over = threading.Event()

    @contextmanager
    def going_on(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            thread.join()

    def _run(self) -> None:
        kinds: list[Callable[[], None]] = [self._stall, self._slow, self._kill]
        if isinstance(self._outage, CutLine):
            kinds.append(self._lose_a_commit)
        until = time.monotonic() + TROUBLE_SECONDS
        while not self._is_over.is_set() and time.monotonic() < until:
            self._chance.choice(kinds)()
            time.sleep(self._chance.uniform(0.2, 1.5))

    def _stall(self) -> None:
        with ledger_locked(self._customer.account_id) as release:
            release.wait(self._chance.uniform(0.5, 4))

    def _slow(self) -> None:
        for _ in range(10):
            with ledger_locked(self._customer.account_id) as release:
                release.wait(self._chance.uniform(0.05, 0.3))

    def _kill(self) -> None:
        self._outage.begin()
        try:
            time.sleep(self._chance.uniform(0.1, 1.5))
        finally:
            self._outage.end()

    def _lose_a_commit(self) -> None:
        assert isinstance(self._outage, CutLine)
        self._outage.commits_to_lose = 1


def ask(chat: openai.resources.chat.Completions, text: str, *, stream: bool) -> str:
    """One request; its answer. A stream that was lost is not told again, and one that
    waits for its settlement for too long is given up by the SDK: "" then."""
    body = {"model": "m", "messages": [*SAY_HI, {"role": "user", "content": text}]}
    if not stream:
        completion = chat.create(**body)  # type: ignore[call-overload]
        return str(completion.choices[0].message.content)
    try:
        chunks = chat.create(**body, stream=True)  # type: ignore[call-overload]
    except openai.ConflictError as refusal:
        if refusal.code != "already_completed":
            raise
        return ""
    try:
        return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    except openai.APITimeoutError:  # after its head: no SDK sends that again
        return ""


def surplus(upstream: Upstream, ways: list[InTurn]) -> Iterator[str]:
    """The whole story of each text that was charged more or less often than asked."""
    diaries = [(number, sent) for number, way in enumerate(ways) for sent in way.diary]
    asked = Counter(sent.text for _, sent in diaries if sent.retry_count == "0")
    calls = [entry for entry in upstream.journal if entry.raw_body]
    charged = Counter(text_of(entry.body) for entry in calls if entry.charged)
    for text in asked | charged:
        if asked[text] == charged[text]:
            continue
        yield f"{text}: asked {asked[text]} times, charged {charged[text]} times"
        yield from (f"caller {n}: {sent}" for n, sent in diaries if sent.text == text)
        yield from (str(entry) for entry in calls if text_of(entry.body) == text)


@pytest.mark.timeout(180 + 3 * CALLS)
@pytest.mark.usefixtures("clean_ledger")
def test_each_request_is_one_charged_call_and_has_its_own_answer(
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
    outage: Outage,
) -> None:
    chance = seeds.drawn("RETRIES_SEED")
    upstream.on(model="m", reply=Moody(random.Random(chance.random())))
    chances = [random.Random(chance.random()) for _ in range(CALLERS)]
    gateways = [
        gateway(**({"DATABASE_URL": outage.url} if number % 2 else {}))
        for number in range(4)
    ]

    ways = [InTurn(gateways, first=number % 4) for number in range(CALLERS)]

    def caller(number: int) -> list[str]:
        mine, way = chances[number], ways[number]
        with sdk_over(
            customer, way, max_retries=RETRIES_MAX, timeout=TIMEOUT_SECONDS
        ) as client:
            return [
                ask(
                    client.chat.completions,
                    f"Text {mine.randrange(TEXTS)}.",
                    stream=mine.random() < 0.2,
                )
                for _ in range(CALLS // CALLERS)
            ]

    with (
        Trouble(customer, outage, random.Random(chance.random())).going_on(),
        ThreadPoolExecutor(CALLERS) as pool,
    ):
        answers = [text for found in pool.map(caller, range(CALLERS)) for text in found]

    customer.wait_over(len(customer.holds()))
    story = list(surplus(upstream, ways))
    assert not story, "\n".join(story)
    told = [text for text in answers if text]
    assert len(answers) == CALLS
    assert [text for text, count in Counter(told).items() if count > 1] == []
    charged = {entry.id: entry.credits for entry in upstream.journal if entry.charged}
    assert len(charged) == CALLS
    records = [record for record in customer.records() if record.charged_micros]
    assert len(records) == CALLS
    micros = sorted(record.charged_micros for record in records)
    assert micros == sorted(credits * CREDIT for credits in charged.values())
    assert customer.charged_credits() == upstream.total_credits()
