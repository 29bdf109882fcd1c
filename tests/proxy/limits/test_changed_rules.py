"""Rules that are changed count when the key is looked up again: a minute at most."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from portal.tenants import rules
from proxy.process import caches
from proxy.process.caches import KEY_SECONDS, Keys
from tests.support.cast import actor_of
from tests.support.gateway.customers import Customer
from tests.support.services.gateway import Gateway


def test_a_remembered_key_keeps_its_rules_for_a_minute_and_no_longer(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Keys()

    def met(seconds: float) -> int:
        """How many rules a call meets so long from now."""
        clock = SimpleNamespace(monotonic=lambda: time.monotonic() + seconds)
        monkeypatch.setattr(caches, "time", clock)
        return len(asyncio.run(known.identify(customer.secret)).rules)

    assert met(0) == 0
    actor = actor_of(customer.owner)
    rules.set_rules(customer.organization, actor=actor, requests_per_minute=5)
    assert met(0) == 0
    assert KEY_SECONDS <= 60
    assert met(KEY_SECONDS) == 1


def test_free_questions_show_them_at_once(
    live_gateway: Gateway, customer: Customer
) -> None:
    http = customer.http(live_gateway)
    assert http.get("/key").json()["limits"] == []
    actor = actor_of(customer.owner)
    rules.set_rules(customer.organization, actor=actor, requests_per_minute=5)
    [limit] = http.get("/key").json()["limits"]
    assert (limit["type"], limit["limit"], limit["left"]) == ("requests", 5, 5)
    # To ask has told this process of them: the next call meets them.
    told = [customer.chat(live_gateway) for _ in range(6)]
    assert [reply.status_code for reply in told] == [200] * 5 + [429]
