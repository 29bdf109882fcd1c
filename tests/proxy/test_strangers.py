"""Strangers: what needs no key has bounds, and calls go on beside it."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support.gateway.customers import Customer
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, chat_json
from tests.support.waiting import PATIENCE_SECONDS, wait_for

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("clean_ledger")]

OF_ONE = 20
FILES_OF_A_SERVER = 80


def connected(gateway: Gateway, begun: bytes = b"") -> socket.socket:
    made = socket.create_connection(("127.0.0.1", gateway.port), PATIENCE_SECONDS)
    made.sendall(begun)
    return made


def still_open(sockets: list[socket.socket]) -> int:
    closed, _, _ = select.select(sockets, [], [], 0)
    return len(sockets) - len(closed)


def answer(gateway: Gateway, request: bytes, *pieces: bytes) -> bytes:
    """What comes back until the server has closed."""
    received = b""
    with connected(gateway, request) as made:
        for piece in pieces:
            made.sendall(piece)
        while data := made.recv(65536):
            received += data
    return received


def test_one_address_does_not_take_every_connection(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    served = gateway(CONNECTIONS_MAX=64, CONNECTIONS_PER_ADDRESS_MAX=OF_ONE)
    upstream.on(model="m", reply=chat_json())
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(served)) for _ in range(150)]
        assert customer.chat(served, "m").status_code == 200
        wait_for(lambda: still_open(silent) <= OF_ONE)
        assert customer.chat(served, "m").status_code == 200
        assert still_open(silent)  # no more are shut than is needed
        # Looking leaves nothing behind.
        wait_for(lambda: most_files(served) < 2 * OF_ONE + FILES_OF_A_SERVER)


def test_pages_and_calls_are_served_by_processes_apart(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    served = gateway()
    upstream.on(model="m", reply=chat_json())
    pages = [pid for pid in family(served) if listens_to_unix(pid)]
    assert pages
    page = httpx.get(f"{served.url}/account/sign-in")
    assert (page.status_code, "Sign in" in page.text) == (200, True)
    for pid in pages:
        os.kill(pid, signal.SIGSTOP)
    assert customer.chat(served, "m").status_code == 200
    assert httpx.get(f"{served.url}/readyz").is_success
    for pid in pages:
        os.kill(pid, signal.SIGKILL)
    assert customer.chat(served, "m").status_code == 200
    wait_for(lambda: httpx.get(f"{served.url}/account/sign-in", timeout=30).is_success)


def most_files(gateway: Gateway) -> int:
    return max(len(os.listdir(f"/proc/{pid}/fd")) for pid in family(gateway))


def family(gateway: Gateway) -> list[int]:
    assert gateway.process
    found = [gateway.process.pid]
    for pid in found:  # grows
        for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
            found += map(int, tasks.read_text().split())
    return found


def listens_to_unix(pid: int) -> bool:
    """Whether it has the pages' socket open."""
    names = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    inodes = {
        f"socket:[{line[6]}]"
        for line in names
        if len(line) > 7 and "/tollgate-" in line[7]
    }
    links = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.add(os.readlink(link))
        except OSError:
            continue
    return bool(links & inodes)


CHUNKED = b"Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + b"x" * 65536 + b"\r\n"


def test_a_body_for_an_unknown_path_is_not_read(gateway: GatewayFactory) -> None:
    served = gateway()
    for path in (b"/nowhere", b"/static/nothing", b"/../etc"):
        reply = answer(served, b"POST %s HTTP/1.1\r\n%s" % (path, CHUNKED), CHUNK)
        assert reply.startswith(b"HTTP/1.1 404 "), reply[:300]


def test_a_pages_body_has_a_bound(gateway: GatewayFactory) -> None:
    served = gateway()
    with connected(served, b"POST /account/sign-in HTTP/1.1\r\n" + CHUNKED) as made:
        try:
            for _ in range(2_000):  # 125 MiB, would anybody read them
                made.sendall(CHUNK)
        except OSError:
            pass
        assert made.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_what_waits_for_a_page_is_told_so(gateway: GatewayFactory) -> None:
    """The pages' process stands still: nobody waits for ever."""
    served = gateway()
    httpx.get(f"{served.url}/account/sign-in")
    pages = [pid for pid in family(served) if listens_to_unix(pid)]
    for pid in pages:
        os.kill(pid, signal.SIGSTOP)
    try:
        with ExitStack() as stack:
            head = b"GET /account/sign-in HTTP/1.1\r\nHost: localhost\r\n\r\n"
            made = [stack.enter_context(connected(served, head)) for _ in range(60)]
            began = time.monotonic()
            first, _, _ = select.select(made, [], [], PATIENCE_SECONDS)
            assert first[0].recv(65536).startswith(b"HTTP/1.1 503 ")
            assert time.monotonic() - began < 15
    finally:
        for pid in pages:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(
    "chunks",
    [b"zz\r\nabc\r\n", b"3\r\nabcdef\r\n0\r\n\r\n", b"-1\r\n", b"f" * 17 + b"\r\n"],
    ids=["no length", "longer than its length", "less than none", "endless"],
)
@pytest.mark.parametrize(
    "path", ["/account/sign-in", "/v1/chat/completions", "/health"]
)
def test_chunks_that_are_none_are_the_clients_fault(
    live_gateway: Gateway, customer: Customer, path: str, chunks: bytes
) -> None:
    """The server said 500 in the place of a page."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        f"Authorization: Bearer {customer.secret}\r\n\r\n"
    )
    status = answer(live_gateway, head.encode() + chunks).split(b" ")[1]
    assert status.startswith(b"4"), status


@pytest.mark.parametrize("host", ["", "[::1", "x" * 2000], ids=["none", "half", "long"])
@pytest.mark.parametrize("path", ["/account/sign-in", "/o/nobody/"])
def test_a_form_that_cannot_be_read_for_a_host_that_is_none_is_a_400(
    live_gateway: Gateway, path: str, host: str
) -> None:
    """The page that says 400 read the form, and so became a 500."""
    token = "c" * 32
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
        f"Cookie: csrftoken={token}\r\nX-CSRFToken: {token}\r\nContent-Length: 0\r\n"
        "Content-Type: multipart/form-data; boundary=\r\n\r\n"
    )
    assert answer(live_gateway, head.encode()).split(b" ")[1] == b"400"


@pytest.mark.parametrize(
    "target", [b"/account/sign-in?\xe9", b"/account/\xc3\xbc", b'/"{}']
)
def test_bytes_that_are_no_ascii_break_no_page(
    live_gateway: Gateway, target: bytes
) -> None:
    head = b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % target
    status = answer(live_gateway, head).split(b" ")[1]
    assert status in {b"200", b"302", b"400", b"404"}
