"""A customer of a gateway: an organization of the test's own, with a key."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import httpx
import openai
from openai.types.chat import ChatCompletionMessageParam

from billing.models import Account, Hold, Lease, UsageRecord
from billing.models.hold import HoldState
from billing.values import clock
from billing.values.orders import CREDIT
from portal.models import ApiKey
from tests.support.cast import make_key, make_organization, make_user
from tests.support.ledger.payers import Payer
from tests.support.services.gateway import Gateway
from tests.support.waiting import PATIENCE_SECONDS, wait_for

SAY_HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hi."}]


class Customer(Payer):
    """One organization with one key; everything it opens is closed by its fixture."""

    def __init__(self, stack: ExitStack, *, credits: int = 100_000) -> None:
        self._stack = stack
        self.owner = make_user(f"{uuid4().hex}@example.com")
        self.organization = make_organization(
            f"Org {uuid4().hex[:8]}", self.owner, credits=credits
        )
        self.key, self.secret = self.new_key()
        super().__init__(self.organization.account_id, self.key.spender_id)
        self._clients: dict[tuple[str, int], httpx.Client] = {}

    def new_key(self, **options: Any) -> tuple[ApiKey, str]:
        return make_key(self.organization, self.owner, **options)

    # --- clients -------------------------------------------------------------------

    def openai(
        self,
        gateway: Gateway,
        *,
        max_retries: int = 0,
        read_seconds: float = PATIENCE_SECONDS,
    ) -> openai.OpenAI:
        """The official SDK; it does not retry unless told to."""
        client = openai.OpenAI(
            base_url=gateway.base_url,
            api_key=self.secret,
            max_retries=max_retries,
            timeout=openai.Timeout(PATIENCE_SECONDS, read=read_seconds),
        )
        return self._stack.enter_context(client)

    def http(self, gateway: Gateway) -> httpx.Client:
        """Plain HTTP with the customer's key; one client for each gateway and thread:
        httpcore may take a connection for one that the server has closed, and close it,
        where another thread was just given it and has its answer."""
        place = gateway.url, threading.get_ident()
        if place not in self._clients:
            client = httpx.Client(
                base_url=gateway.base_url,
                headers={"authorization": f"Bearer {self.secret}"},
                timeout=PATIENCE_SECONDS,
            )
            self._clients[place] = self._stack.enter_context(client)
        return self._clients[place]

    def chat(
        self, gateway: Gateway, model: str = "any", **fields: Any
    ) -> httpx.Response:
        """One chat call over plain HTTP."""
        body = {"model": model, "messages": SAY_HI, **fields}
        return self.http(gateway).post("/chat/completions", json=body)

    # --- the ledger ----------------------------------------------------------------

    def account(self) -> Account:
        return Account.objects.get(pk=self.account_id)

    def available_micros(self) -> int:
        return self.figures()[2]

    def held_credits(self) -> int:
        return self.figures()[1] // CREDIT

    def set_price_factor(self, ppm: int) -> None:
        Account.objects.filter(pk=self.account_id).update(price_factor_ppm=ppm)

    def holds(self) -> list[Hold]:
        """All holds, oldest first."""
        holds = Hold.objects.filter(account_id=self.account_id)
        return list(holds.order_by("placed_at"))

    def records(self) -> list[UsageRecord]:
        records = UsageRecord.objects.filter(account_id=self.account_id)
        return list(records.order_by("settled_at"))

    def charged_credits(self) -> int:
        """All that was charged, whole credits: the upstream has no others."""
        micros = sum(record.charged_micros for record in self.records())
        assert micros % CREDIT == 0
        return micros // CREDIT

    def end_leases(self) -> None:
        """As if the time had passed that a dead gateway's lease still runs."""
        leases = [hold.lease_id for hold in self.holds() if hold.lease_id]
        Lease.objects.filter(id__in=leases).update(expires_at=clock.now())

    def wait_over(self, count: int = 1) -> list[Hold]:
        """The holds, once there are `count` and none is open."""

        def over() -> list[Hold] | None:
            holds = self.holds()
            is_over = all(hold.state != HoldState.OPEN for hold in holds)
            return holds if len(holds) == count and is_over else None

        return wait_for(over, explain=self.holds)

    def wait_records(self, count: int = 1) -> list[UsageRecord]:
        """The usage records, once there are `count`, all calls being over."""
        self.wait_over(count)
        records = self.records()
        assert len(records) == count, records
        return records


def mistyped(secret: str) -> str:
    """Another key than `secret`, for sure: its last character is another one."""
    return secret[:-1] + ("a" if secret[-1] != "a" else "b")
