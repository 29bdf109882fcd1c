"""The gateway notes from which addresses keys are used, beside its calls."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from portal.models import KeySighting
from proxy.process import noting, sightings
from proxy.process.sightings import Watch
from tests.support.gateway.customers import Customer
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream
from tests.support.waiting import wait_for


def test_a_stopped_gateway_has_written_what_it_saw(
    gateway: Any, upstream: Upstream, customer: Customer
) -> None:
    served: Gateway = gateway()
    for _ in range(3):
        assert customer.chat(served).status_code == 200
    assert customer.http(served).get("/models").status_code == 200
    served.stop()

    def seen() -> KeySighting | None:
        return KeySighting.objects.filter(secret__key=customer.key).first()

    found = wait_for(seen)
    assert found is not None
    assert (found.address, found.requests) == ("127.0.0.1", 4)


def seen_by(watch: Watch) -> dict[tuple[int, str], int]:
    return {pair: values[2] for pair, values in watch._seen.items()}


def test_a_strangers_word_for_an_address_is_not_believed(
    settings: Any,
) -> None:
    watch = Watch()
    meta = {"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}
    watch.see(1, meta)
    settings.TRUSTED_PROXIES = ["192.0.2.0/24"]
    watch.see(1, meta)
    watch.see(1, meta)
    watch.see(1, {"REMOTE_ADDR": ""})  # a Unix socket
    assert seen_by(watch) == {(1, "192.0.2.7"): 1, (1, "203.0.113.9"): 2}
    settings.KEY_ADDRESS_DAYS = 0
    watch.see(2, meta)
    assert len(seen_by(watch)) == 2


def test_it_remembers_so_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sightings, "PAIRS_MAX", 3)
    watch = Watch()
    for number in range(9):
        watch.see(1, {"REMOTE_ADDR": f"192.0.2.{number}"})
    assert len(seen_by(watch)) == 3
    watch.see(1, {"REMOTE_ADDR": "192.0.2.0"})
    assert seen_by(watch)[1, "192.0.2.0"] == 2


def test_a_database_that_is_away_costs_sightings_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from billing.values.errors import LedgerUnavailable

    async def away(_change: object) -> None:
        raise LedgerUnavailable("away")

    monkeypatch.setattr(noting, "write_if_free", away)
    watch = Watch()
    watch.see(1, {"REMOTE_ADDR": "192.0.2.7"})
    asyncio.run(watch.flush())
    assert seen_by(watch) == {}
