"""One organization takes what it can; another's call goes on as if it were alone."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack
from typing import Any

import pytest

from proxy.http.handler import PACE_SECONDS
from tests.proxy.conftest import Customers
from tests.support.gateway import raw
from tests.support.gateway.customers import Customer
from tests.support.gateway.raw import RawCall
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, chat_json
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("clean_ledger")]

MIB = 1024**2
# What an honest caller may be made to wait beside all this, on a busy machine.
SOON_SECONDS = 5


def sent(
    gateway: Gateway, customer: Customer, path: str, begun: bytes
) -> socket.socket:
    """A request that says it has 19 MiB and sends this much."""
    made = raw.connect(gateway)
    lines = ("Content-Type: application/json", f"Content-Length: {19 * MIB}")
    made.sendall(raw.head(customer.secret, *lines, path=path) + begun)
    return made


def assert_served(gateway: Gateway, customer: Customer, model: str = "m") -> None:
    began = time.monotonic()
    answer = customer.chat(gateway, model)
    assert answer.status_code == 200, answer.text
    assert time.monotonic() - began < SOON_SECONDS


@pytest.mark.parametrize("path", ["/v1/images/edits", "/v1/chat/completions"])
def test_unfinished_bodies_take_their_own_places_only(
    gateway: GatewayFactory, upstream: Upstream, customers: Customers, path: str
) -> None:
    served, greedy, other = gateway(), customers(), customers()
    upstream.on(model="m", reply=chat_json())
    big = {"model": "m", "messages": [{"role": "user", "content": "x" * 2 * MIB}]}
    with ExitStack() as stack:
        for _ in range(24):
            stack.enter_context(sent(served, greedy, path, b"{"))
        began = time.monotonic()
        answer = other.http(served).post("/chat/completions", json=big)
        assert answer.status_code == 200, answer.text
        assert time.monotonic() - began < SOON_SECONDS


def test_slow_calls_take_their_own_connections_only(
    gateway: GatewayFactory, upstream: Upstream, customers: Customers
) -> None:
    served, greedy, other = (
        gateway(UPSTREAM_CONNECTIONS_MAX=8),
        customers(),
        customers(),
    )
    gate = Gate()
    upstream.on(model="slow", reply=chat_json().held(gate))
    upstream.on(model="m", reply=chat_json())
    with ExitStack() as stack:
        fields: dict[str, Any] = {
            "model": "slow",
            "messages": [{"role": "user", "content": "x"}],
        }
        calls = [
            stack.enter_context(RawCall(served, greedy.secret)).send(**fields)
            for _ in range(4)
        ]
        upstream.journal.wait_arrived(4)
        refused = greedy.chat(served, "m")
        assert (refused.status_code, refused.json()["error"]["code"]) == (
            429,
            "too_many_calls",
        )
        assert refused.headers["retry-after"] == "1"
        assert_served(served, other)
        gate.set()
        assert [call.read_head().status for call in calls] == [200] * 4
        wait_for(lambda: greedy.chat(served, "m").status_code == 200)


def test_a_stalled_upload_does_not_keep_its_owners_others_waiting(
    gateway: GatewayFactory, upstream: Upstream, customers: Customers
) -> None:
    served, customer = gateway(GATEWAY_UPLOADS_MAX=2), customers(credits=10**7)
    upstream.on(model="m", reply=chat_json())
    big = {"model": "m", "messages": [{"role": "user", "content": "x" * 15 * MIB}]}
    with ExitStack() as stack:
        # With it the next would be more than their share, were it not for time.
        stack.enter_context(sent(served, customer, "/v1/chat/completions", b"{"))
        began = time.monotonic()
        answer = customer.http(served).post("/chat/completions", json=big)
        assert answer.status_code == 200, answer.text
        # Not the minute that a body has: it fell behind after ten seconds.
        assert time.monotonic() - began < PACE_SECONDS + SOON_SECONDS


@pytest.mark.parametrize(
    "body",
    [
        "{" + ",".join(f'"k{number}":1' for number in range(130_000)) + "}",
        json.dumps({"model": "m", "messages": [{"role": "user"}] * 70_000}),
        json.dumps({"model": "m", "messages": [{"content": [{"type": "x"}] * 40_000}]}),
    ],
    ids=["keys", "messages", "parts"],
)
@pytest.mark.parametrize("path", ["/chat/completions", "/quote", "/images/edits"])
def test_what_would_be_too_much_work_is_refused_before_it_is_done(
    gateway: GatewayFactory, customer: Customer, body: str, path: str
) -> None:
    headers = {"content-type": "application/json"}
    http = customer.http(gateway())
    answer = http.post(path, content=body.encode(), headers=headers)
    assert answer.status_code == 413, answer.text[:200]
    assert answer.json()["error"]["code"] == "request_too_complex"
