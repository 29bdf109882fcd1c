"""`kill -9` with calls in flight: nothing is lost, nothing is charged twice."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timedelta

import httpx
import pytest

from billing import holds
from billing.models import Hold
from billing.models.hold import HoldState
from billing.values.orders import CREDIT
from billing.verification.report import verify
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.raw import RawCall
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    DONE,
    Gate,
    JournalEntry,
    ScriptedReply,
    Upstream,
    chat_json,
    chat_stream,
)
from tests.support.waiting import wait_for

ROUNDS = int(os.environ.get("KILLS") or 10)
CALLS = 32
LEASE_SECONDS = 2
LONG = timedelta(days=1)  # doubts are listed, not yet closed


def slow(entry: JournalEntry) -> ScriptedReply:
    """Charged when it arrives, answered up to half a second later."""
    number = int((entry.model or "").rsplit("-", 1)[1])
    seconds, credits = number % 8 * 0.07, number % 9 + 1
    if entry.body.get("stream"):
        stream = chat_stream(pieces="abcd", credits=credits)
        return stream.paced(seconds / len(stream.steps))
    return chat_json(credits=credits).delayed(seconds)


def answered(upstream: Upstream, prefix: str) -> int:
    """How many of a round's calls the upstream has answered to the end."""
    return sum(
        entry.state == "complete" and (entry.model or "").startswith(prefix)
        for entry in upstream.journal
    )


async def storm(
    gateway: Gateway, upstream: Upstream, customer: Customer, round_: int
) -> set[str]:
    """32 calls at once, killed among them; the models whose clients have it all."""
    whole: set[str] = set()
    headers = {"authorization": f"Bearer {customer.secret}"}
    async with httpx.AsyncClient(headers=headers, timeout=None) as client:

        async def call(number: int) -> None:
            model, stream = f"m-{round_}-{number}", number % 2 == 1
            body = {"model": model, "messages": SAY_HI, "stream": stream}
            url, content = f"{gateway.base_url}/chat/completions", b""
            async with client.stream("POST", url, json=body) as reply:
                async for part in reply.aiter_raw():
                    content += part
                    # At the last byte, not at the connection's end.
                    if content.endswith(DONE if stream else b"}}"):
                        whole.add(model)

        async def kill() -> None:
            while answered(upstream, f"m-{round_}-") < (4 + 7 * round_) % CALLS:
                await asyncio.sleep(0.002)
            # Before, while and after it settles.
            await asyncio.sleep(round_ % 4 * 0.006)
            gateway.kill()

        calls = (call(number) for number in range(CALLS))
        await asyncio.gather(kill(), *calls, return_exceptions=True)
    return whole


def assert_swept(customer: Customer, leases_end: list[float]) -> None:
    """After one sweep, no call of a round whose lease has run out is open."""
    now = time.monotonic()
    holds.sweep(in_doubt_after=LONG)
    over = tuple(f"m-{round_}-" for round_, end in enumerate(leases_end) if end < now)
    states = {h.state for h in customer.holds() if h.model.startswith(over)}
    assert HoldState.OPEN not in states


def settled(customer: Customer) -> set[str]:
    """The models of the calls that are paid for."""
    return {h.model for h in customer.holds() if h.state == HoldState.SETTLED}


def assert_accounted(customer: Customer, upstream: Upstream, whole: set[str]) -> None:
    """Every call that the upstream charged for is charged exactly, or is a doubt."""
    entries = {entry.model: entry for entry in upstream.journal}
    found: dict[str, Hold] = {hold.model: hold for hold in customer.holds()}
    charges = {record.model: record.charged_micros for record in customer.records()}
    assert len(entries) == len(upstream.journal)  # no call was forwarded twice
    assert set(entries) <= set(found)  # and none without a hold

    paid = settled(customer)
    doubts = {m for m, hold in found.items() if hold.state == HoldState.IN_DOUBT}
    assert paid | doubts == set(found)
    assert whole <= paid <= set(entries)  # who has an answer has paid for it
    assert charges == {m: entries[m or ""].credits * CREDIT for m in paid}
    unpaid = sum(entries[m].credits for m in doubts & set(entries))
    assert customer.charged_credits() + unpaid == upstream.total_credits()
    # Not for nothing: kills found calls on both sides of their settlement.
    assert len(paid) > ROUNDS
    assert len(doubts) > ROUNDS


@pytest.mark.timeout(900 + 5 * ROUNDS)
def test_a_killed_gateway_loses_nothing_and_charges_nothing_twice(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(reply=slow)
    started = gateway(LEASE_SECONDS=LEASE_SECONDS)
    whole: set[str] = set()
    leases_end: list[float] = []
    for round_ in range(ROUNDS):
        whole |= asyncio.run(storm(started, upstream, customer, round_))
        leases_end.append(time.monotonic() + LEASE_SECONDS)
        started.restart()
        assert_swept(customer, leases_end)
    time.sleep(LEASE_SECONDS)
    assert_swept(customer, leases_end)
    # What the ledger was too busy to take is in the spool, and comes after the start.
    wait_for(lambda: whole <= settled(customer), explain=lambda: whole)

    assert_accounted(customer, upstream, whole)
    report = verify()
    assert report.ok, report.findings
    assert customer.chat(started, "m-after-0").status_code == 200


@pytest.mark.once
def test_doubts_are_closed_by_the_rule_and_listed(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(credits=4).held(Gate()))
    started = gateway(LEASE_SECONDS=600)
    with RawCall(started, customer.secret).send(model="m", messages=SAY_HI):
        upstream.journal.wait_arrived()
        started.kill()
    holds.sweep(in_doubt_after=timedelta(0))
    assert [hold.state for hold in customer.holds()] == ["open"]  # its lease lives
    customer.end_leases()
    holds.sweep(in_doubt_after=timedelta(0))
    holds.sweep(in_doubt_after=timedelta(0))

    [hold], [record] = customer.holds(), customer.records()
    assert (hold.state, hold.reason) == ("released", "caller_died")
    assert (record.basis, record.charged_micros) == ("in_doubt", 0)
    assert customer.available_micros() == 100_000 * CREDIT
