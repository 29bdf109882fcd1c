"""Keys that nobody knows are looked up apart: who has one does not wait for them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from portal.tenants import key_format
from portal.tenants.errors import UnknownKey
from proxy.http.errors import GatewayError
from proxy.process import database
from proxy.process.caches import Keys
from tests.support.gateway.customers import Customer

pytestmark = pytest.mark.once

STRANGER, SAME, OTHER = "2001:db8::1", "2001:db8::2", "192.0.2.1"
SOON_SECONDS = 5


@pytest.mark.asyncio
async def test_strangers_wait_for_each_other() -> None:
    ended = threading.Event()
    asked = [
        asyncio.ensure_future(database.read_for_stranger("many", ended.wait))
        for _ in range(database.STRANGERS_WAITING_MAX + 1)
    ]
    await asyncio.sleep(0)
    try:
        with pytest.raises(GatewayError) as refused:
            await database.read_for_stranger("many", ended.wait)
        assert (refused.value.status, refused.value.code) == (429, "too_many_keys")
        async with asyncio.timeout(SOON_SECONDS):
            assert await database.read_for_stranger("one", lambda: "known") == "known"
            assert await database.read(lambda: "a key") == "a key"
    finally:
        ended.set()
    assert await asyncio.gather(*asked) == [True] * len(asked)


def test_a_key_that_was_good_waits_for_no_stranger(customer: Customer) -> None:
    known, ended = Keys(), threading.Event()

    async def ask() -> None:
        await known.verify(customer.secret, {"REMOTE_ADDR": OTHER})
        taken = [
            asyncio.ensure_future(database.read_for_stranger(network, ended.wait))
            for network in ("one", "two")
        ]
        await asyncio.sleep(0)
        try:
            unknown = [
                asyncio.ensure_future(
                    known.verify(key_format.generate(), {"REMOTE_ADDR": address})
                )
                for address in (STRANGER, SAME) * 150
            ]
            async with asyncio.timeout(SOON_SECONDS):
                good = await known.verify(customer.secret, {"REMOTE_ADDR": STRANGER})
            assert good.account_id == customer.account_id
        finally:
            ended.set()
        said = await asyncio.gather(*unknown, return_exceptions=True)
        await asyncio.gather(*taken)
        refused = [each for each in said if isinstance(each, GatewayError)]
        assert len(refused) == 300 - database.STRANGERS_WAITING_MAX
        assert all(isinstance(e, (GatewayError, UnknownKey)) for e in said)

    asyncio.run(ask())
