"""Requests as SDKs mark them when they send them again, and what is kept for them."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import httpx2
import openai
import orjson

from billing.models import Attempt, Hold
from billing.models.hold import HoldState
from proxy.models import StoredReply
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.raw import RawCall
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, ScriptedReply, Upstream, chat_json
from tests.support.waiting import PATIENCE_SECONDS, wait_for


def retried(
    customer: Customer,
    gateway: Gateway,
    count: int = 1,
    *,
    patience: float = PATIENCE_SECONDS,
    **fields: Any,
) -> httpx.Response:
    """A retry as an SDK marks it, with the plain reply."""
    body = {"model": "m", "messages": SAY_HI, **fields}
    return customer.http(gateway).post(
        "/chat/completions",
        json=body,
        headers={
            "x-stainless-retry-count": str(count),
            "x-stainless-read-timeout": str(patience),
        },
    )


def keyed(
    customer: Customer,
    gateway: Gateway,
    key: str = "order-1",
    *,
    patience: float = PATIENCE_SECONDS,
    secret: str = "",
    **fields: Any,
) -> httpx.Response:
    """One chat call with an Idempotency-Key, whose client says how patient it is; with
    another API key of the customer's, if there is one."""
    headers = {"idempotency-key": key, "x-stainless-read-timeout": str(patience)}
    if secret:
        headers["authorization"] = f"Bearer {secret}"
    return customer.http(gateway).post(
        "/chat/completions",
        json={"model": "m", "messages": SAY_HI, **fields},
        headers=headers,
    )


def lost(
    customer: Customer,
    gateway: Gateway,
    upstream: Upstream,
    reply: ScriptedReply | None = None,
    *,
    count: int = 0,
    **fields: Any,
) -> None:
    """An attempt whose client left before the upstream answered, which it has since."""
    with Leaver(customer, gateway, upstream, reply, count=count, **fields) as gate:
        gate.set()


class Leaver:
    """An attempt whose client leaves once the upstream has it; on leaving the block
    the call is over. The gate lets the upstream answer."""

    def __init__(
        self,
        customer: Customer,
        gateway: Gateway,
        upstream: Upstream,
        reply: ScriptedReply | None = None,
        *,
        count: int = 0,
        **fields: Any,
    ) -> None:
        self._customer, self._upstream = customer, upstream
        self._call = RawCall(gateway, customer.secret)
        self._call.headers["x-stainless-retry-count"] = str(count)
        self._fields = {"model": "m", "messages": SAY_HI, **fields}
        self._gate = Gate()
        reply = reply or chat_json()
        self._held = reply.but(before=(self._gate, *reply.before))

    def __enter__(self) -> Gate:
        arrived = len(self._upstream.journal)
        self._upstream.on(model="m", reply=self._held)
        self._call.send(**self._fields)
        self._upstream.journal.wait_arrived(arrived + 1)
        [*_, self._hold] = self._customer.holds()
        self._call.leave()
        attempt = Attempt.objects.filter(hold=self._hold)
        wait_for(lambda: attempt.filter(is_lost=True).exists())
        return self._gate

    def __exit__(self, *_: object) -> None:
        self._gate.set()
        hold = Hold.objects.filter(id=self._hold.id)
        wait_for(hold.exclude(state=HoldState.OPEN).exists)


def stored(customer: Customer) -> list[StoredReply]:
    """The kept replies, once there are some."""
    rows = StoredReply.objects.filter(account_id=customer.account_id)
    return wait_for(lambda: list(rows.all()))


@dataclass
class Sent:
    """One attempt as its client saw it; times are monotonic seconds."""

    port: int
    retry_count: str
    text: str
    began: float
    ended: float = 0.0
    outcome: str = ""

    def __str__(self) -> str:
        return (
            f"{self.began:.3f} to {self.ended:.3f} port {self.port}"
            f" retry {self.retry_count}: {self.outcome}"
        )


def text_of(body: dict[str, Any]) -> str:
    """What was asked, as far as the tests of retries tell questions apart."""
    return str(body["messages"][-1]["content"]) + (
        " (stream)" * bool(body.get("stream"))
    )


class InTurn(httpx2.HTTPTransport):
    """Sends each request to the next of several gateways, as a balancer may, and keeps
    a diary of it."""

    def __init__(self, gateways: Sequence[Gateway], first: int = 0) -> None:
        super().__init__()
        ports = [gateway.port for gateway in gateways]
        self._ports = itertools.cycle(ports[first:] + ports[:first])
        self._lock = threading.Lock()
        self.diary: list[Sent] = []

    @property
    def sent(self) -> int:
        return len(self.diary)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        retry_count = request.headers.get("x-stainless-retry-count", "")
        with self._lock:
            port = next(self._ports)
            text = text_of(orjson.loads(request.read()))
            sent = Sent(port, retry_count, text, time.monotonic())
            self.diary.append(sent)
            request.url = request.url.copy_with(port=port)
        try:
            response = super().handle_request(request)
            sent.outcome = f"{response.status_code} {dict(response.headers)}"
        except Exception as error:  # noqa: BLE001  it is raised again
            sent.outcome = repr(error)
            raise
        finally:
            sent.ended = time.monotonic()
        return response


def sdk_over(
    customer: Customer, transport: InTurn, *, max_retries: int, timeout: float
) -> openai.OpenAI:
    """The official SDK, whose every attempt goes another way."""
    return openai.OpenAI(
        base_url="http://127.0.0.1:1/v1",
        api_key=customer.secret,
        max_retries=max_retries,
        timeout=timeout,
        http_client=openai.DefaultHttpxClient(transport=transport),
    )
