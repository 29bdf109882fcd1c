"""What fails on our own side of a call: the hold stays, and nobody tries again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.http import StreamingHttpResponse
from pytest_django.fixtures import Settings

from billing.ledger.writer import writer
from billing.values import errors
from billing.values.orders import Order, Outcome, Place
from portal.tenants import keys
from proxy.calls import exchange
from proxy.calls.call import Incoming
from proxy.calls.exchange import Exchange
from proxy.forwarding import forward as forwarding
from proxy.http.errors import GatewayError
from proxy.operations import chat
from proxy.upstream import client as upstream_client
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.upstream import DONE, Upstream, chat_json, chat_stream

pytestmark = pytest.mark.usefixtures("clean_books")


class LostLedger:
    """A ledger that takes holds and then never answers again."""

    async def submit(self, order: Order) -> Outcome:
        if isinstance(order, Place):
            return await writer.submit(order)
        raise errors.LedgerUnavailable("gone")


@pytest.fixture
def forward(upstream: Upstream, customer: Customer, settings: Settings) -> Any:
    """Make a call in this very process; the exchange and what `use` made of it."""
    settings.UPSTREAM_BASE_URL = upstream.url
    identity = keys.verify(customer.secret)

    def run(use: Callable[[Exchange], Any], **fields: Any) -> Any:
        async def call() -> Any:
            document = {"model": "m", "messages": SAY_HI, **fields}
            understood = chat.read(Incoming(document))
            begun = await exchange.begin(understood, identity, customer.secret)
            try:
                return begun, await use(begun)
            finally:
                await upstream_client.client().aclose()

        return asyncio.run(call())

    return run


@pytest.fixture
def nowhere_to_write(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger does not answer, and the disk takes no spool either."""
    (tmp_path / "spool").write_text("a file where the folder should be")
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(exchange, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(exchange, "SETTLE_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(exchange, "writer", LostLedger())


def test_a_crash_of_our_own_is_a_doubt(
    forward: Any, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "_document", lambda *_: 1 / 0)

    async def crash(begun: Exchange) -> None:
        with pytest.raises(ZeroDivisionError):
            await forwarding.forward(begun)

    begun, _ = forward(crash)
    [hold] = customer.holds()
    assert (hold.state, hold.reason) == ("in_doubt", "internal_error")
    assert begun.headers()["x-price-basis"] == "in_doubt"


@pytest.mark.parametrize("reply", [chat_json(), chat_json().dropped()])
def test_a_call_that_can_not_be_settled_is_not_to_be_tried_again(
    forward: Any,
    upstream: Upstream,
    customer: Customer,
    nowhere_to_write: None,
    reply: Any,
) -> None:
    upstream.on(model="m", reply=reply)

    async def refused(begun: Exchange) -> GatewayError:
        with pytest.raises(GatewayError) as error:
            await forwarding.forward(begun)
        return error.value

    _, error = forward(refused)
    # Another try would pay the upstream twice: unlike a call that was never made.
    assert (error.status, error.code) == (503, "ledger_unavailable")
    assert error.should_retry is False
    assert [hold.state for hold in customer.holds()] == ["open"]  # until it is due


def test_a_stream_that_can_not_be_settled_has_no_end(
    forward: Any,
    upstream: Upstream,
    customer: Customer,
    nowhere_to_write: None,
) -> None:
    upstream.on(model="m", reply=chat_stream())

    async def read(begun: Exchange) -> bytes:
        response = await forwarding.forward(begun)
        assert isinstance(response, StreamingHttpResponse)
        return b"".join([part async for part in response])

    _, content = forward(read, stream=True)
    assert b'"code":"ledger_unavailable"' in content
    assert DONE not in content
    assert [hold.state for hold in customer.holds()] == ["open"]
