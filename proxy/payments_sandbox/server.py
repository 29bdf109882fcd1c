"""The sandbox over HTTP: threads, the loopback, and nothing but the standard library.

A test starts one in its own process and has `state` at hand; `manage.py
payments_sandbox` serves the same.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from proxy.payments_sandbox import api, controls, endpoints, errors, forms, hosted
from proxy.payments_sandbox.courier import Courier
from proxy.payments_sandbox.errors import Refusal
from proxy.payments_sandbox.faults import Fault, Faults
from proxy.payments_sandbox.state import State

HOST = "127.0.0.1"
BODY_BYTES_MAX = 1024**2
# Of a longer one, so much is read and thrown away.
UNREAD_BYTES_MAX = 4 * BODY_BYTES_MAX
CONNECTION_SECONDS_MAX = 60
PAGE_HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}


class PaymentsSandbox:
    """A sandbox; `url` is the SDK's base address. A context manager.

    `is_told`: webhooks are posted by threads. Without it nothing is posted, and
    whoever wants deliveries takes them from `state.deliveries`.

    Raises: OSError when the port is taken or the file cannot be read.
    """

    def __init__(
        self,
        api_key: str,
        *,
        port: int = 0,
        path: Path | None = None,
        is_told: bool = True,
    ) -> None:
        self.api_key = api_key
        self.state = State(path)
        self.faults = Faults()
        self._server = ThreadingHTTPServer((HOST, port), _handler_of(self))
        self._server.daemon_threads = True
        self.url = f"http://{HOST}:{self._server.server_address[1]}"
        self.state.base_url = self.url
        self._courier = Courier(self.state) if is_told else None

    def tell(self, url: str, secret: str) -> None:
        """Have webhooks sent to this address, signed with this secret."""
        with self.state.lock:
            endpoints.register(self.state, url, secret)

    def start(self) -> Self:
        if self._courier:
            self._courier.start()
        thread = threading.Thread(target=self.serve, name="payments", daemon=True)
        thread.start()
        return self

    def serve(self) -> None:
        """Until `stop`, in the caller's thread."""
        self._server.serve_forever(poll_interval=0.05)

    def serve_with_webhooks(self) -> None:
        if self._courier:
            self._courier.start()
        self.serve()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        if self._courier:
            self._courier.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _handler_of(sandbox: PaymentsSandbox) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        owner = sandbox

    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = CONNECTION_SECONDS_MAX
    # One write for headers and body: two would wait for each other's receipt.
    wbufsize = -1
    disable_nagle_algorithm = True
    owner: PaymentsSandbox

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the journal and the log of deliveries say more."""

    def _answer(self, method: str) -> None:
        parts = urlsplit(self.path)
        body = self._body()
        if body is None:
            return
        form = body if method == "POST" else parts.query
        if parts.path.startswith("/v1/"):
            self._answer_api(method, parts.path.removeprefix("/v1/"), form)
        elif parts.path.startswith("/pay/"):
            self._answer_page(method, parts.path.removeprefix("/pay/"), form)
        else:
            self._answer_control(method, parts.path, form)

    def _body(self) -> str | None:
        """None when the request was refused for its body."""
        length = self.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            if length.isdigit():
                # A connection with unread bytes is reset, and the answer is lost.
                self.rfile.read(min(int(length), UNREAD_BYTES_MAX))
            self._send(413, b"", {"connection": "close"})
            return None
        return self.rfile.read(int(length)).decode("utf-8", "replace")

    def _answer_api(self, method: str, path: str, form: str) -> None:
        fault = self.owner.faults.take(method, path)
        if fault and self._is_broken_before(fault):
            return
        request = api.Request(
            method, path, form, self._key(), self.headers.get("idempotency-key")
        )
        reply = api.answer(self.owner.state, request, self.owner.api_key)
        if fault and fault.kind == "done-then-cut":
            self.close_connection = True
            return
        if fault and fault.kind == "done-then-500":
            self._refuse(errors.broken())
            return
        self._send(reply.status, reply.body, reply.headers)

    def _is_broken_before(self, fault: Fault) -> bool:
        """Whether the request ends here, with nothing done."""
        if fault.kind == "slow":
            time.sleep(fault.seconds)
        if fault.kind == "cut":
            self.close_connection = True
        if fault.kind == "500":
            self._refuse(errors.broken())
        return fault.kind in {"cut", "500"}

    def _answer_page(self, method: str, path: str, form: str) -> None:
        state = self.owner.state
        try:
            is_post = method == "POST"
            page = (
                hosted.post(state, path, forms.decode(form))
                if is_post
                else hosted.get(state, path)
            )
        except Refusal as refusal:
            self._refuse(refusal)
            return
        headers = {**PAGE_HEADERS}
        if page.location:
            headers["location"] = page.location
        self._send(page.status, page.html.encode(), headers)

    def _answer_control(self, method: str, path: str, form: str) -> None:
        try:
            if not path.startswith("/_sandbox/"):
                raise errors.unknown_route(method, path)
            if self._key() != self.owner.api_key:
                raise errors.unauthorized()
            found = controls.answer(
                self.owner.state,
                self.owner.faults,
                method,
                path.removeprefix("/_sandbox/"),
                forms.decode(form),
            )
        except Refusal as refusal:
            self._refuse(refusal)
            return
        body = json.dumps(found).encode()
        self._send(200, body, {"content-type": "application/json"})

    def _key(self) -> str:
        scheme, _, key = self.headers.get("authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else ""

    def _refuse(self, refusal: Refusal) -> None:
        body = json.dumps({"error": refusal.error}).encode()
        self._send(refusal.status, body, {"content-type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
