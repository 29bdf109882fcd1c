"""Many keys, each sent again and again over two processes: one call for each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    JournalEntry,
    ScriptedReply,
    Upstream,
    chat_json,
    error_json,
)
from tests.support.waiting import PATIENCE_SECONDS, wait_for

KEYS, SENDERS = 8, 4


class Moody:
    """The first call of each key is refused; what is answered is charged."""

    def __init__(self) -> None:
        self.seen: set[str | None] = set()
        self.calls = 0

    def __call__(self, entry: JournalEntry) -> ScriptedReply:
        self.calls += 1
        seconds = self.calls * 37 % 100 / 1000  # the order they end in is another
        if entry.model in self.seen:
            return chat_json(credits=3).delayed(seconds)
        self.seen.add(entry.model)
        return error_json(503).delayed(seconds)


def send_until_answered(customer: Customer, gateway: Gateway, key: str) -> str:
    """As a stubborn client does; the request id of what it got in the end."""
    headers = {"idempotency-key": key, "authorization": f"Bearer {customer.secret}"}

    def answered() -> str | None:
        reply = httpx.post(
            f"{gateway.base_url}/chat/completions",
            json={"model": key, "messages": SAY_HI},
            headers=headers,
            timeout=PATIENCE_SECONDS,
        )
        if reply.status_code == 200:
            return reply.headers["x-request-id"]
        code = reply.json()["error"]["code"]
        assert code in ("request_in_progress", "upstream_error"), reply.text
        return None

    return wait_for(answered, explain=lambda: key)


@pytest.mark.once  # the storm does it on both
@pytest.mark.usefixtures("clean_ledger")
def test_each_key_is_charged_once_whoever_sends_it_how_often(
    live_gateway: Gateway,
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
) -> None:
    upstream.on(reply=Moody())
    gateways = [live_gateway, gateway()]
    with ThreadPoolExecutor(KEYS * SENDERS) as pool:
        sent = {
            f"key-{number}": [
                pool.submit(
                    send_until_answered, customer, gateways[n % 2], f"key-{number}"
                )
                for n in range(SENDERS)
            ]
            for number in range(KEYS)
        }
        answers = {key: {each.result() for each in sent[key]} for key in sent}

    assert {len(ids) for ids in answers.values()} == {1}
    assert len(set.union(*answers.values())) == KEYS
    settled = [hold for hold in customer.holds() if hold.state == "settled"]
    assert len(settled) == len(customer.records()) == KEYS
    assert customer.charged_credits() == upstream.total_credits() == 3 * KEYS
    assert len(customer.holds()) == len(upstream.journal) == 2 * KEYS
