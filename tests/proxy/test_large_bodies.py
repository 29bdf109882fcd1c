"""Uploads take turns: beyond so many at once the others wait, and not for ever."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Self

import pytest

from tests.support.gateway import raw
from tests.support.gateway.customers import Customer
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, chat_json
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("clean_ledger")]

PATH = "/images/edits"
MIB = 1024**2
BYTES_MAX = 100_000
CHUNKED = "Transfer-Encoding: chunked"
FORM = "multipart/form-data; boundary=x"
WHOLE = (
    b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\np\r\n'
    # The picture itself would be fetched from the upstream.
    b'--x\r\nContent-Disposition: form-data; name="response_format"\r\n\r\nurl\r\n'
    b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    b"\x89PNG\r\n\x1a\n\r\n--x--\r\n"
)


class SlowUpload:
    """An upload that goes on when it is told to.

    It says `Expect: 100-continue`, so the server's 100 tells that its body is read.
    """

    def __init__(
        self, gateway: Gateway, customer: Customer, framing: str = CHUNKED
    ) -> None:
        self.socket = raw.connect(gateway)
        lines = ("Expect: 100-continue", f"Content-Type: {FORM}", "Connection: close")
        head = raw.head(customer.secret, framing, *lines, path=f"/v1{PATH}")
        self.socket.sendall(head)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def fileno(self) -> int:
        return self.socket.fileno()

    def begin(self) -> Self:
        """Wait until the gateway reads, then send half of it."""
        assert self.socket.recv(65536).startswith(b"HTTP/1.1 100 ")
        self._send(WHOLE[:100])
        return self

    def end(self) -> int:
        """Send the rest; the status of the answer."""
        self._send(WHOLE[100:])
        self.socket.sendall(b"0\r\n\r\n")
        return int(self.answer().split()[1])

    def answer(self) -> bytes:
        received = b""
        while data := self.socket.recv(65536):
            received += data
        return received

    def _send(self, content: bytes) -> None:
        self.socket.sendall(b"%x\r\n%s\r\n" % (len(content), content))


def upload(
    customer: Customer, gateway: Gateway, content: bytes = WHOLE, kind: str = FORM
) -> int:
    """Upload it in chunks, so that it needs a turn; the status of the answer."""
    pieces: Iterator[bytes] = iter([content])
    headers = {"content-type": kind}
    http = customer.http(gateway)
    return http.post(PATH, content=pieces, headers=headers).status_code


def test_others_wait_for_their_turn_and_one_gives_up(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    own = gateway(GATEWAY_UPLOADS_MAX=1, GATEWAY_BODY_SECONDS_MAX=8)
    upstream.on(model="m", reply=chat_json().delayed(0.5))
    with ExitStack() as stack:
        first = stack.enter_context(SlowUpload(own, customer)).begin()
        others = [
            stack.enter_context(SlowUpload(own, customer, framing))
            for framing in (CHUNKED, f"Content-Length: {2 * MIB}")
        ]
        # What cannot be large waits for nobody:
        assert customer.chat(own, "m").status_code == 200
        small = customer.http(own).post(
            PATH, content=WHOLE, headers={"content-type": FORM}
        )
        assert small.status_code == 200
        assert select.select(others, [], [], 0) == ([], [], [])
        assert first.end() == 200

        [second], _, _ = select.select(others, [], [], PATIENCE_SECONDS)
        second.begin()
        [last] = set(others) - {second}
        refusal = last.answer()

    assert refusal.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"too_many_uploads"' in refusal
    assert b"\r\nx-should-retry: true\r\nretry-after: 5\r\n" in refusal
    assert b"x-credits-held" not in refusal
    assert upload(customer, own) == 200
    assert len(customer.holds()) == len(upstream.journal) == 4


def test_who_leaves_gives_the_place_back_at_once(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    own = gateway(GATEWAY_UPLOADS_MAX=1)
    with SlowUpload(own, customer) as reads:
        reads.begin()
        with SlowUpload(own, customer):  # waits, and leaves first
            assert customer.chat(own).status_code == 200

    assert upload(customer, own) == 200
    assert len(customer.holds()) == len(upstream.journal) == 2


def test_whatever_is_refused_gives_the_place_back(
    gateway: GatewayFactory, customer: Customer
) -> None:
    own = gateway(
        GATEWAY_UPLOADS_MAX=1,
        GATEWAY_BODY_SECONDS_MAX=1,
        GATEWAY_UPLOAD_BYTES_MAX=BYTES_MAX,
    )
    for content, kind, status in (
        (b"junk", FORM, 400),
        (b"{}", "application/json", 400),
        (b"[]", "application/json", 400),
        (WHOLE, "text/plain", 415),
        (WHOLE + b"x" * BYTES_MAX, FORM, 413),
    ):
        assert upload(customer, own, content, kind) == status
        assert upload(customer, own) == 200, status
    with SlowUpload(own, customer) as drips:
        assert drips.begin().answer().startswith(b"HTTP/1.1 408 ")
    assert upload(customer, own) == 200
