"""What tests want of the payments sandbox: the SDK in front of it, a shop behind."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import stripe

from proxy.payments_sandbox import paying
from proxy.payments_sandbox.server import PaymentsSandbox

KEY = "sk_test_of_the_tests"
SECRET = "whsec_of_the_payments_sandbox_tests"
SHOP = "https://shop.example/back?id={CHECKOUT_SESSION_ID}"


class Stripe:
    """A running sandbox with the official client in front of it. Nothing is posted:
    a test takes the deliveries, unless it says `is_told`."""

    def __init__(self, *, is_told: bool = False) -> None:
        self.sandbox = PaymentsSandbox(KEY, is_told=is_told)
        self.state = self.sandbox.state
        self.v1 = self.client().v1

    def client(self, key: str = KEY, retries: int = 0) -> stripe.StripeClient:
        return stripe.StripeClient(
            key,
            base_addresses={"api": self.sandbox.url},
            max_network_retries=retries,
        )

    def __enter__(self) -> Self:
        self.sandbox.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.sandbox.stop()

    def session(self, amount: int = 2500, **more: Any) -> stripe.checkout.Session:
        """A session that is open, over some credits."""
        product = {"name": "1,000 credits"}
        line = {
            "price_data": {
                "currency": "eur",
                "unit_amount": amount,
                "product_data": product,
            },
            "quantity": 1,
        }
        params: Any = {
            "mode": "payment",
            "ui_mode": "hosted_page",
            "success_url": SHOP,
            "cancel_url": "https://shop.example/cart",
            "line_items": [line],
            "client_reference_id": "topup_1",
            **more,
        }
        return self.v1.checkout.sessions.create(params)

    def press(self, session_id: str, deed: str, card: str = "", **told: str) -> Any:
        """A button of the hosted page."""
        with self.state.lock:
            return paying.act(self.state, session_id, deed, told, card)

    def kinds(self, **fields: Any) -> list[str]:
        """The types of all events so far, the oldest first."""
        return [each["type"] for each in self.state.all_of("event", **fields)]

    def taken(self) -> dict[str, int]:
        return self.state.journal.totals()


class Shop:
    """An HTTP server that takes webhooks; `statuses` are its answers, 200 after."""

    def __init__(self, statuses: tuple[int, ...] = ()) -> None:
        self.posted: list[tuple[bytes, str]] = []
        left = list(statuses)
        lock = threading.Lock()
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                with lock:
                    status = left.pop(0) if left else 200
                    shop.posted.append((body, self.headers["stripe-signature"]))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,)).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def events(self) -> list[stripe.Event]:
        """What came, each verified by the SDK."""
        return [
            stripe.Webhook.construct_event(body, signature, SECRET)
            for body, signature in list(self.posted)
        ]
