"""`kill -9` with runs open: each stands once, nothing is lost, and all comes back."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest

from billing import holds
from billing.models import Envelope
from billing.values.orders import CREDIT
from billing.verification.report import verify
from portal.tenants import keys
from tests.support.cast import actor_of
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.runs import ask, opened
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import JournalEntry, ScriptedReply, Upstream, chat_json

ROUNDS = int(os.environ.get("RUN_KILLS") or 2)
RUNS, CALLS = 6, 4  # of a round; calls of each run
RUN_CREDITS = 200
LEASE_SECONDS = 2


def slow(entry: JournalEntry) -> ScriptedReply:
    """Charged when it arrives, answered up to 0.2 s later."""
    number = int((entry.model or "").rsplit("-", 1)[1])
    return chat_json(credits=number % 5 + 1).delayed(number % 5 * 0.05)


def wish(round_: int, number: int) -> dict[str, Any]:
    """The request that opens a run, the same whenever it is repeated."""
    body = {"credits": RUN_CREDITS, "expires_in_seconds": 600}
    headers = {"idempotency-key": f"run-{round_}-{number}"}
    return {"url": "/envelopes", "json": body, "headers": headers}


async def kill_amid(gateway: Gateway, customer: Customer, round_: int) -> int:
    """Open runs, spend them and close every third, and kill amid that; how many calls
    were answered."""
    answered = 0
    bearer = {"authorization": f"Bearer {customer.secret}"}
    async with httpx.AsyncClient(base_url=gateway.base_url, timeout=None) as client:

        async def work(number: int) -> None:
            nonlocal answered
            request = wish(round_, number)
            request["headers"] = request["headers"] | bearer
            run = (await client.post(**request)).json()
            secret = {"authorization": f"Bearer {run['api_key']}"}
            for call in range(CALLS):
                body = {"model": f"m-{round_}-{number}-{call}", "messages": SAY_HI}
                reply = await client.post(
                    "/chat/completions", json=body, headers=secret
                )
                answered += reply.status_code == 200
            if number % 3 == 0:
                await client.delete(f"/envelopes/{run['id']}", headers=bearer)

        async def kill() -> None:
            wanted = 1 + 5 * (round_ % 4)
            until = time.monotonic() + 10  # fewer, where a machine is busy
            while answered < wanted and time.monotonic() < until:
                await asyncio.sleep(0.002)
            await asyncio.sleep(round_ % 3 * 0.005)
            gateway.kill()

        working = (work(number) for number in range(RUNS))
        await asyncio.gather(kill(), *working, return_exceptions=True)
    return answered


@pytest.mark.timeout(900 + 10 * ROUNDS)
def test_what_was_set_aside_comes_back_after_kills(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(reply=slow)
    started = gateway(LEASE_SECONDS=LEASE_SECONDS)
    before = customer.available_micros()
    answered, known = 0, set()
    for round_ in range(ROUNDS):
        answered += asyncio.run(kill_amid(started, customer, round_))
        started.restart()
        # Who got no answer asks again: the run that stands, or the one that does not.
        for number in range(RUNS):
            reply = customer.http(started).post(**wish(round_, number))
            known.add(reply.raise_for_status().json()["id"])
    found = Envelope.objects.filter(account_id=customer.account_id)
    assert len(known) == found.count() == ROUNDS * RUNS

    # One is closed by its owner, the others end with the key.
    last = opened(customer, started, 10)
    ask(customer, started, "DELETE", f"/{last['id']}").raise_for_status()
    time.sleep(LEASE_SECONDS)
    holds.sweep(in_doubt_after=timedelta(0))
    holds.sweep(in_doubt_after=timedelta(0))
    keys.revoke(customer.key, actor=actor_of(customer.owner))

    assert customer.held_credits() == 0
    charged = sum(record.charged_micros for record in customer.records())
    assert customer.available_micros() == before - charged
    paid = {r.model: r.charged_micros for r in customer.records() if r.charged_micros}
    journal = {entry.model: entry.credits * CREDIT for entry in upstream.journal}
    assert paid.items() <= journal.items()  # what was in doubt was given back
    assert len(journal) == len(upstream.journal)
    assert answered <= len(paid)  # who has an answer has paid for it
    report = verify()
    assert report.ok, report.findings
