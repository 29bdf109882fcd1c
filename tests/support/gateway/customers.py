"""A customer of a gateway: an organization of the test's own, with a key."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import openai
from openai.types.chat import ChatCompletionMessageParam

from billing.models import Account, Hold, UsageRecord
from billing.models.hold import HoldState
from billing.values.orders import CREDIT
from portal.models import ApiKey
from tests.support.cast import make_key, make_organization, make_user
from tests.support.ledger.payers import Payer
from tests.support.services.gateway import Gateway

T = TypeVar("T")

SAY_HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hi."}]
POLL_SECONDS = 0.02


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
        self._clients: dict[str, httpx.Client] = {}

    def new_key(self, **options: Any) -> tuple[ApiKey, str]:
        return make_key(self.organization, self.owner, **options)

    # --- clients -------------------------------------------------------------------

    def openai(self, gateway: Gateway, *, max_retries: int = 0) -> openai.OpenAI:
        """The official SDK; like ours, it does not retry unless told to."""
        client = openai.OpenAI(
            base_url=gateway.base_url,
            api_key=self.secret,
            max_retries=max_retries,
            timeout=20,
        )
        return self._stack.enter_context(client)

    def http(self, gateway: Gateway) -> httpx.Client:
        """Plain HTTP with the customer's key; one client for each gateway."""
        if gateway.url not in self._clients:
            client = httpx.Client(
                base_url=gateway.base_url,
                headers={"authorization": f"Bearer {self.secret}"},
                timeout=20,
            )
            self._clients[gateway.url] = self._stack.enter_context(client)
        return self._clients[gateway.url]

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

    def wait_over(self, count: int = 1, *, seconds_max: float = 10) -> list[Hold]:
        """The holds, once there are `count` and none is open."""

        def over() -> list[Hold] | None:
            holds = self.holds()
            is_over = all(hold.state != HoldState.OPEN for hold in holds)
            return holds if len(holds) == count and is_over else None

        return wait_for(over, seconds_max=seconds_max, explain=self.holds)

    def wait_records(
        self, count: int = 1, *, seconds_max: float = 10
    ) -> list[UsageRecord]:
        """The usage records, once there are `count`, all calls being over."""
        self.wait_over(count, seconds_max=seconds_max)
        records = self.records()
        assert len(records) == count, records
        return records


def mistyped(secret: str) -> str:
    """Another key than `secret`, for sure: its last character is another one."""
    return secret[:-1] + ("a" if secret[-1] != "a" else "b")


def wait_for(
    look: Callable[[], T | None],
    *,
    seconds_max: float = 10,
    explain: Callable[[], Any] = lambda: "nothing to show",
) -> T:
    """What `look` finds, once it is something. Raises: AssertionError."""
    deadline = time.monotonic() + seconds_max
    while True:
        if found := look():
            return found
        assert time.monotonic() < deadline, f"waited in vain: {explain()}"
        time.sleep(POLL_SECONDS)
