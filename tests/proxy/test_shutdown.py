"""A gateway that is told to end lets its calls end: they are answered and charged."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable

import httpx
import pytest
from django.conf import settings

from billing.models.hold import HoldState
from proxy.calls import exchange
from tests.support.gateway.customers import Customer
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, chat_json, chat_stream
from tests.support.waiting import IMPATIENT_CLIENT, PATIENCE_SECONDS, wait_for

pytestmark = [pytest.mark.usefixtures("clean_ledger"), pytest.mark.once]


class Asking:
    """A call in a thread of its own; its answer, or how it failed."""

    def __init__(self, ask: Callable[[], httpx.Response]) -> None:
        self.answer: httpx.Response | None = None
        self.error: httpx.HTTPError | None = None
        self._ask = ask
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.answer = self._ask()
        except httpx.HTTPError as error:
            self.error = error

    def wait(self) -> httpx.Response | None:
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        return self.answer


def refuses_connections(gateway: Gateway) -> bool:
    try:
        socket.create_connection(("127.0.0.1", gateway.port), 1).close()
    except ConnectionRefusedError:
        return True
    except (ConnectionResetError, TimeoutError):  # it is just being closed
        pass
    return False


def wait_until_refusing(gateway: Gateway) -> None:
    wait_for(lambda: refuses_connections(gateway), explain=gateway.log_text)


def tell_to_end(gateway: Gateway) -> None:
    assert gateway.process
    gateway.process.terminate()
    wait_until_refusing(gateway)
    assert gateway.process.poll() is None


def end_of(gateway: Gateway) -> int:
    assert gateway.process
    return gateway.process.wait(PATIENCE_SECONDS)


def interrupted(gateway: Gateway) -> bool:
    """Whether it has ended, by this Ctrl-C or one before it."""
    assert gateway.process
    if gateway.process.poll() is None:
        gateway.process.send_signal(signal.SIGINT)
    return gateway.process.poll() is not None


def processes_of(group: int) -> list[str]:
    """The living processes of a group."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                state, _, process_group = file.read().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(process_group) == group and state != "Z":
            found.append(name)
    return found


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_waits_for_running_calls(
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
    stream: bool,
    workers: int,
) -> None:
    served, gate = gateway(WEB_CONCURRENCY=workers, SHUTDOWN_SECONDS=900), Gate()
    slow = (
        chat_stream(pieces="abc", credits=7).after_events(2, gate)
        if stream
        else chat_json(credits=7, charge="after").held(gate)
    )
    upstream.on(reply=slow)
    calls = [Asking(lambda: customer.chat(served, stream=stream)) for _ in range(4)]
    upstream.journal.wait_arrived(4)
    tell_to_end(served)
    assert served.process
    served.process.terminate()  # as systemd and `up` do, both
    gate.set()
    for call in calls:
        answer = call.wait()
        assert answer is not None, call.error
        assert answer.status_code == 200
        assert not stream or answer.text.endswith("data: [DONE]\n\n")
    assert end_of(served) == 0
    assert customer.charged_credits() == upstream.total_credits() == 28


def test_a_stop_waits_for_calls_whose_clients_have_left(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    served, gate = gateway(SHUTDOWN_SECONDS=900), Gate()
    upstream.on(reply=chat_json(credits=7, charge="after").held(gate))
    customer.http(served).timeout = IMPATIENT_CLIENT
    with pytest.raises(httpx.ReadTimeout):
        customer.chat(served)
    upstream.journal.wait_arrived(1)
    tell_to_end(served)
    gate.set()
    assert end_of(served) == 0
    assert customer.charged_credits() == upstream.total_credits() == 7


def test_the_last_resort_kills_what_does_not_end(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    served = gateway(SHUTDOWN_SECONDS=1)
    upstream.on(reply=chat_json(credits=7).held(Gate()))
    call = Asking(lambda: customer.chat(served))
    upstream.journal.wait_arrived(1)
    tell_to_end(served)
    end_of(served)
    assert call.wait() is None
    [hold] = customer.holds()
    assert hold.state == HoldState.OPEN  # for the sweep, once the lease has run out


def test_ctrl_c_waits_no_more_when_it_ends_already(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    served = gateway(SHUTDOWN_SECONDS=900)
    upstream.on(reply=chat_json(credits=7).held(Gate()))
    call = Asking(lambda: customer.chat(served))
    upstream.journal.wait_arrived(1)
    tell_to_end(served)
    wait_for(lambda: interrupted(served), explain=served.log_text)
    assert call.wait() is None


def test_a_killed_servers_workers_finish_their_calls_and_end(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    served, gate = gateway(WEB_CONCURRENCY=2, SHUTDOWN_SECONDS=900), Gate()
    upstream.on(reply=chat_json(credits=7, charge="after").held(gate))
    call = Asking(lambda: customer.chat(served))
    upstream.journal.wait_arrived(1)
    assert served.process
    group = served.process.pid
    served.process.send_signal(signal.SIGKILL)
    served.process.wait()
    wait_until_refusing(served)
    gate.set()
    answer = call.wait()
    assert answer is not None, call.error
    assert answer.status_code == 200
    wait_for(lambda: not processes_of(group), explain=lambda: processes_of(group))
    assert customer.charged_credits() == upstream.total_credits() == 7


def test_by_default_a_stop_waits_as_long_as_a_call_may_last() -> None:
    longest = (
        settings.UPSTREAM_TOTAL_SECONDS
        + 2 * settings.UPSTREAM_IDLE_SECONDS
        + settings.DRAIN_SECONDS
    )
    assert longest <= settings.SHUTDOWN_SECONDS
    assert exchange.SLACK_SECONDS > 0  # and the hold is not due before
