"""The threads that post the webhooks that are due."""

from __future__ import annotations

import threading

import httpx

from proxy.payments_sandbox.deliveries import Deliveries, Delivery
from proxy.payments_sandbox.state import State

POST_SECONDS_MAX = 20
# Two and more, so that a repeated webhook can arrive while the first is handled.
THREADS = 3
WAIT_SECONDS_MAX = 5


class Courier:
    """Runs from `start` until `stop`; it never holds the state's lock."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._deliveries: Deliveries = state.deliveries
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name="courier", daemon=True)
            for _ in range(THREADS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._is_over.set()
        with self._deliveries.changed:
            self._deliveries.changed.notify_all()
        for thread in self._threads:
            thread.join(POST_SECONDS_MAX + WAIT_SECONDS_MAX)

    def _run(self) -> None:
        with httpx.Client(timeout=POST_SECONDS_MAX, trust_env=False) as client:
            while not self._is_over.is_set():
                delivery = self._deliveries.take()
                if delivery is None:
                    self._wait()
                    continue
                self._deliveries.report(delivery, self._post(client, delivery))

    def _wait(self) -> None:
        with self._deliveries.changed:
            left = self._deliveries.seconds_to_next()
            if left != 0 and not self._is_over.is_set():
                seconds = WAIT_SECONDS_MAX if left is None else left
                self._deliveries.changed.wait(min(seconds, WAIT_SECONDS_MAX))

    def _post(self, client: httpx.Client, delivery: Delivery) -> int | str:
        headers = delivery.headers(self._state.clock())
        try:
            reply = client.post(delivery.url, content=delivery.body, headers=headers)
        except httpx.HTTPError as error:
            return type(error).__name__
        return reply.status_code
