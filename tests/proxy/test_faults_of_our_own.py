"""What fails on our own side of a call: the hold stays, and nobody tries again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.http import StreamingHttpResponse
from pytest_django.fixtures import Settings

from billing.values import errors
from billing.values.orders import Place
from portal.tenants import keys
from proxy.calls import exchange
from proxy.calls.call import Incoming
from proxy.calls.exchange import Exchange
from proxy.calls.resolving import LEDGER, LedgerAccess
from proxy.forwarding.forward import forward as forward_call
from proxy.http.errors import GatewayError
from proxy.operations import chat
from proxy.upstream import client
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.upstream import DONE, Upstream, chat_json, chat_stream

pytestmark = pytest.mark.usefixtures("clean_ledger")


async def never_again(order: Any) -> Any:
    """A ledger that takes holds and then never answers again."""
    if isinstance(order, Place):
        return await LEDGER.submit(order)
    raise errors.LedgerUnavailable("gone")


LOST = LedgerAccess(never_again, pause_seconds=0.01, patience_seconds=0.05)


@pytest.fixture
def forward(upstream: Upstream, customer: Customer, settings: Settings) -> Any:
    """Make a call in this very process; the exchange and what `use` made of it."""
    settings.UPSTREAM_BASE_URL = upstream.url
    identity = keys.verify(customer.secret)

    def run(
        use: Callable[[Exchange], Any],
        *,
        ledger: LedgerAccess = LEDGER,
        changes: dict[str, Any] | None = None,
        **fields: Any,
    ) -> Any:
        async def call() -> Any:
            document = {"model": "m", "messages": SAY_HI, **fields}
            understood = replace(chat.read(Incoming(document)), **(changes or {}))
            begun = await exchange.begin(
                understood, identity, customer.secret, ledger=ledger
            )
            try:
                return begun, await use(begun)
            finally:
                await client.shared().aclose()

        return asyncio.run(call())

    return run


@pytest.fixture
def _no_disk(settings: Settings, tmp_path: Path) -> None:
    """The disk takes no spool either."""
    (tmp_path / "spool").write_text("a file where the folder should be")
    settings.VAR_DIR = tmp_path


def test_a_crash_of_our_own_is_a_doubt(
    forward: Any, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json())

    async def crash(begun: Exchange) -> None:
        with pytest.raises(ZeroDivisionError):
            await forward_call(begun)

    begun, _ = forward(crash, changes={"count": lambda *_: 1 / 0})
    [hold] = customer.holds()
    assert (hold.state, hold.reason) == ("in_doubt", "internal_error")
    assert begun.headers()["x-price-basis"] == "in_doubt"


@pytest.mark.usefixtures("_no_disk")
@pytest.mark.parametrize("reply", [chat_json(), chat_json().dropped()])
def test_a_call_that_can_not_be_settled_is_not_to_be_tried_again(
    forward: Any,
    upstream: Upstream,
    customer: Customer,
    reply: Any,
) -> None:
    upstream.on(model="m", reply=reply)

    async def refused(begun: Exchange) -> GatewayError:
        with pytest.raises(GatewayError) as error:
            await forward_call(begun)
        return error.value

    _, error = forward(refused, ledger=LOST)
    # Another try would pay the upstream twice: unlike a call that was never made.
    assert (error.status, error.code) == (503, "ledger_unavailable")
    assert error.should_retry is False
    assert [hold.state for hold in customer.holds()] == ["open"]  # until it is due


@pytest.mark.usefixtures("_no_disk")
def test_a_stream_that_can_not_be_settled_has_no_end(
    forward: Any,
    upstream: Upstream,
    customer: Customer,
) -> None:
    upstream.on(model="m", reply=chat_stream())

    async def read(begun: Exchange) -> bytes:
        response = await forward_call(begun)
        assert isinstance(response, StreamingHttpResponse)
        return b"".join([part async for part in response])

    _, content = forward(read, ledger=LOST, stream=True)
    assert b'"code":"ledger_unavailable"' in content
    assert DONE not in content
    assert [hold.state for hold in customer.holds()] == ["open"]
