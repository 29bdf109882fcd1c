"""Whatever the database does, a client and a watcher have their answer in time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from django.db import connection

from portal.tenants import key_format
from proxy.process.caches import KEY_SECONDS
from tests.support.gateway.customers import Customer
from tests.support.gateway.outage import Outage
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.ledger.locks import kept_by_a_stranger
from tests.support.services.environment import wanted_database
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, chat_json
from tests.support.waiting import PATIENCE_SECONDS, wait_for

pytestmark = pytest.mark.usefixtures("clean_ledger")

READ_SECONDS_MAX = 10
WRITE_SECONDS_MAX = 20
# What this test's own client takes beside, on a busy machine.
SLACK_SECONDS = 2
CALLS = 100


def timed(ask: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    reply = ask()
    return reply, time.monotonic() - began


def calls_of(
    customer: Customer, gateway: Gateway
) -> list[tuple[httpx.Response, float]]:
    return [timed(lambda: customer.chat(gateway)) for _ in range(CALLS)]


def ready(gateway: Gateway) -> httpx.Response:
    return httpx.get(f"{gateway.url}/readyz", timeout=PATIENCE_SECONDS)


def unknown_key(customer: Customer, gateway: Gateway) -> httpx.Response:
    """A question that no process can answer by what it remembers."""
    headers = {"authorization": f"Bearer {key_format.generate()}"}
    return customer.http(gateway).get("/models", headers=headers)


@contextmanager
def frozen_backends(gateway: Gateway) -> Iterator[None]:
    """Every server process that serves this gateway stands still."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s",
            [f"gateway {gateway.port}"],
        )
        backends = [pid for (pid,) in cursor.fetchall()]
    connection.close()
    assert backends
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.postgres_only
def test_one_locked_organization_and_another_one(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    customers: Callable[..., Customer],
) -> None:
    other = customers()
    assert customer.chat(live_gateway).status_code == 200
    customer.wait_over(1)
    usual = sorted(seconds for _, seconds in calls_of(other, live_gateway))
    lock = f"SELECT 1 FROM billing_account WHERE id = {customer.account_id} FOR UPDATE"
    with kept_by_a_stranger(lock), ThreadPoolExecutor(8) as pool:
        # More than one, and at the same moments as the other one's.
        stuck = [
            pool.submit(timed, lambda: customer.chat(live_gateway)) for _ in range(3)
        ]
        calls = calls_of(other, live_gateway)
        took = sorted(seconds for _, seconds in calls)
        assert {reply.status_code for reply, _ in calls} == {200}
        # On a machine too busy for that without any lock, so much more than without.
        assert took[-2] <= max(0.5, 4 * usual[-2]), took[-5:]
        for call in stuck:
            reply, seconds = call.result()
            assert_refusal(reply, 503, "ledger_unavailable")
            assert seconds <= WRITE_SECONDS_MAX + SLACK_SECONDS
    assert customer.chat(live_gateway).status_code == 200
    assert len(customer.wait_over(2)) == 2
    other.wait_over(2 * CALLS)


@pytest.mark.postgres_only
def test_the_locked_one_has_its_answer_when_the_lock_goes(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    lock = f"SELECT 1 FROM billing_account WHERE id = {customer.account_id} FOR UPDATE"
    with kept_by_a_stranger(lock) as release, ThreadPoolExecutor(1) as pool:
        call = pool.submit(customer.chat, live_gateway)
        time.sleep(1)
        assert not call.done()
        assert len(upstream.journal) == 0
        release()
        assert call.result().status_code == 200
    customer.wait_over(1)


@pytest.mark.postgres_only
def test_a_call_that_ends_while_it_is_locked_has_its_answer(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    started, gate = gateway(LEASE_SECONDS=6), Gate()
    upstream.on(model="m", reply=chat_json(credits=5).held(gate))
    lock = f"SELECT 1 FROM billing_account WHERE id = {customer.account_id} FOR UPDATE"
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(customer.chat, started, "m")
        upstream.journal.wait_arrived()
        with kept_by_a_stranger(lock):
            gate.set()
            reply, seconds = timed(call.result)
            assert seconds <= WRITE_SECONDS_MAX
        assert reply.status_code == 200
        assert reply.headers["x-credits-charged"] == "5"
    # By whoever is first: the order that still waits, or the spool.
    customer.wait_records()
    assert customer.charged_credits() == upstream.total_credits() == 5


@pytest.mark.postgres_only
@pytest.mark.parametrize("table", ["portal_apikey", "billing_tariff"])
def test_a_read_of_a_locked_table_is_refused_in_time(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer, table: str
) -> None:
    started = gateway()
    with (
        kept_by_a_stranger(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"),
        ThreadPoolExecutor(20) as pool,
    ):
        http = customer.http(started)
        calls = [pool.submit(timed, lambda: customer.chat(started)) for _ in range(20)]
        answer, seconds = timed(lambda: ready(started))
        assert (answer.status_code, seconds <= READ_SECONDS_MAX) == (200, True)
        for call in calls:
            reply, seconds = call.result()
            assert_refusal(reply, 503, "ledger_unavailable")
            assert seconds <= READ_SECONDS_MAX + SLACK_SECONDS
    assert_nothing_happened(customer, upstream)
    assert http.get("/models").status_code == 200
    assert customer.chat(started).status_code == 200
    customer.wait_over(1)


@pytest.mark.postgres_only
def test_a_locked_table_of_keys_costs_no_lease(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    started = gateway(LEASE_SECONDS=6)
    assert customer.chat(started).status_code == 200
    with kept_by_a_stranger("LOCK TABLE portal_apikey IN ACCESS EXCLUSIVE MODE"):
        until = time.monotonic() + 8  # longer than the lease
        while time.monotonic() < until:
            unknown = [unknown_key(customer, started) for _ in range(2)]
            assert {reply.status_code for reply in unknown} == {503}
            assert ready(started).status_code == 200, started.log_text()
            assert customer.chat(started).status_code == 200
    assert KEY_SECONDS > 20  # or the last call had asked for its key


@pytest.mark.postgres_only
def test_a_database_that_stands_still(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer, database_url: str
) -> None:
    started = gateway(LEASE_SECONDS=120)
    name = f"application_name=gateway%20{started.port}"
    started.environment["DATABASE_URL"] = f"{database_url}&{name}"
    started.restart()
    http = customer.http(started)
    for _ in range(3):
        assert http.get("/models").status_code == 200
        assert customer.chat(started).status_code == 200
    customer.wait_over(3)

    with frozen_backends(started), ThreadPoolExecutor(40) as pool:
        watcher = pool.submit(timed, lambda: ready(started))
        reads = [
            pool.submit(timed, lambda: unknown_key(customer, started))
            for _ in range(20)
        ]
        calls = [pool.submit(timed, lambda: customer.chat(started)) for _ in range(5)]
        for question in reads:
            reply, seconds = question.result()
            assert seconds <= READ_SECONDS_MAX + SLACK_SECONDS
            assert reply.status_code in (401, 503)  # on a connection made meanwhile
        _, seconds = watcher.result()
        assert seconds <= READ_SECONDS_MAX + SLACK_SECONDS
        for call in calls:
            reply, seconds = call.result()
            assert seconds <= WRITE_SECONDS_MAX + SLACK_SECONDS
    wait_for(lambda: ready(started).status_code == 200, explain=started.log_text)
    for _ in range(4):  # every thread answers again
        assert http.get("/models").status_code == 200
        assert customer.chat(started).status_code == 200
    upstream_credits = upstream.total_credits()
    wait_for(lambda: customer.held_credits() == 0, explain=customer.holds)
    assert customer.charged_credits() == upstream_credits


@pytest.fixture
def no_lease(outage: Outage) -> Iterator[Callable[[], None]]:
    """Nobody can take a lease until this is called; all else can be read."""
    if wanted_database() == "sqlite":
        outage.begin()
        yield outage.end
        return
    lock = "LOCK TABLE billing_lease IN ACCESS EXCLUSIVE MODE"
    with kept_by_a_stranger(lock) as release:
        yield release


def test_a_gateway_without_a_lease_holds_nothing_until_it_has_one(
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
    no_lease: Callable[[], None],
    outage: Outage,
) -> None:
    url = {"DATABASE_URL": outage.url} if wanted_database() == "sqlite" else {}
    started = gateway(**url)  # it answers /healthz
    answer, seconds = timed(lambda: ready(started))
    assert (answer.status_code, seconds <= READ_SECONDS_MAX) == (503, True)
    assert answer.text == "this process has no lease"
    for stream in (False, True):
        reply = customer.chat(started, stream=stream)
        assert_refusal(reply, 503, "ledger_unavailable")
    no_lease()
    assert_nothing_happened(customer, upstream)

    wait_for(lambda: ready(started).status_code == 200, explain=started.log_text)
    assert customer.chat(started).status_code == 200
    [hold] = customer.wait_over(1)
    assert hold.lease_id is not None


@pytest.mark.once
@pytest.mark.parametrize("poison", ["null", "[]", '{"v": 1}', "\x00", "no folder"])
def test_a_spoiled_spool_costs_no_start(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer, poison: str
) -> None:
    started = gateway(LEASE_SECONDS=6)
    started.stop()
    spool: Path = started.var_dir / "spool"
    if poison == "no folder":
        spool.write_text(poison)
    else:
        spool.mkdir(exist_ok=True)
        (spool / "1-0.jsonl").write_text(poison + "\n")
    started.start()
    assert ready(started).status_code == 200, started.log_text()
    assert customer.chat(started).status_code == 200
    [hold] = customer.wait_over(1)
    assert hold.lease_id is not None
