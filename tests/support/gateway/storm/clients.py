"""The clients of a storm: some ask once, some as SDKs do, some leave in the middle."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import httpx

from tests.support.gateway.storm.plans import FACTORS_PPM, Plan
from tests.support.waiting import PATIENCE_SECONDS

TASKS = 10  # of each organization
ATTEMPTS = {"plain": 1, "leaves": 1, "sdk": 3, "keyed": 6}
RETRIED = {408, 409, 429}
PAUSE_SECONDS = 0.05
IMPATIENT_SECONDS = 0.3


@dataclass(frozen=True)
class Answer:
    """A whole answer to a request that was charged, or may have been."""

    number: int  # of its plan
    status: int
    request_id: str
    charged: str  # "" where the headers came before the charge
    is_repeat: bool


class Told:
    """What all clients tell, each in its thread, of what they saw."""

    def __init__(self, client_left: Callable[[int], None]) -> None:
        self.client_left = client_left
        self.answers: list[Answer] = []
        self.seen: dict[int, list[str]] = {}  # by plan, for who reads of a difference
        self.started = time.monotonic()

    def see(self, number: int, what: str) -> None:
        seconds = time.monotonic() - self.started
        self.seen.setdefault(number, []).append(f"{seconds:.2f} {what}")


class Progress:
    """How many requests have begun. Each waits until what is due before it has begun
    too, so that a storm is the same on a slow machine."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due = threading.Condition(self._lock)
        self._limit = 0
        self._organizations = len(FACTORS_PPM)
        self.begun = 0

    async def begin(self) -> None:
        while True:
            with self._lock:
                if self.begun < self._limit:
                    self.begun += 1
                    self._due.notify_all()
                    return
            await asyncio.sleep(PAUSE_SECONDS / 5)

    def allow(self, count: int) -> None:
        """So many may begin from now on."""
        with self._lock:
            self._limit = count

    def wait(self, count: int) -> None:
        """Until so many have begun, or no client is left."""
        with self._lock:
            self._due.wait_for(lambda: self.begun >= count or not self._organizations)

    def end(self) -> None:
        """One organization's clients are done, or ended by an error."""
        with self._lock:
            self._organizations -= 1
            self._due.notify_all()


class Clients:
    """All requests of the plans, each organization's in a thread of its own."""

    def __init__(
        self,
        plans: Sequence[Plan],
        secrets: Sequence[str],
        base_urls: Sequence[str],
        client_left: Callable[[int], None],
    ) -> None:
        self.plans = plans
        self.secrets = secrets
        self.base_urls = base_urls
        self.progress = Progress()
        self.told = Told(client_left)
        self.errors: list[str] = []
        self._threads = [
            threading.Thread(target=self._run, args=[number])
            for number in range(len(FACTORS_PPM))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Raises: AssertionError when one ended by an error of its own."""
        for thread in self._threads:
            thread.join()
        assert not self.errors, self.errors

    def _run(self, organization: int) -> None:
        plans = [plan for plan in self.plans if plan.organization == organization]
        try:
            asyncio.run(self._call_all(iter(plans), self.secrets[organization]))
        except BaseException as error:  # noqa: BLE001  it is reported
            self.errors.append(repr(error))
        finally:
            self.progress.end()

    async def _call_all(self, plans: Iterator[Plan], secret: str) -> None:
        async with httpx.AsyncClient(
            headers={"authorization": f"Bearer {secret}"},
            timeout=PATIENCE_SECONDS,
            limits=httpx.Limits(max_connections=None),
        ) as http:

            async def take() -> None:
                for plan in plans:
                    await self.progress.begin()
                    await Call(plan, http, self.base_urls, self.told).make()

            async with asyncio.TaskGroup() as group:
                for _ in range(TASKS):
                    group.create_task(take())


class Call:
    """One request and all attempts at it."""

    def __init__(
        self,
        plan: Plan,
        http: httpx.AsyncClient,
        base_urls: Sequence[str],
        told: Told,
    ) -> None:
        self.plan = plan
        self.http = http
        self.base_urls = base_urls
        self.told = told
        self.chance = plan.chance
        self.attempts = 0

    async def make(self) -> None:
        """Until it is answered, or its client has had enough."""
        for number in range(ATTEMPTS[self.plan.manners]):
            if self.plan.manners == "leaves":
                await self._leave()
            elif not await self._attempt(number):
                return
            await asyncio.sleep(self.chance.uniform(1, 4) * PAUSE_SECONDS)

    async def _attempt(self, number: int) -> bool:
        """Whether a client of this kind would try again."""
        headers = {}
        seconds: float = PATIENCE_SECONDS
        if self.plan.manners == "sdk":
            if self.plan.is_impatient and number == 0:
                seconds = IMPATIENT_SECONDS
            headers["x-stainless-retry-count"] = str(number)
            headers["x-stainless-read-timeout"] = str(seconds)
        elif self.plan.manners == "keyed":
            headers["idempotency-key"] = f"key-{self.plan.number}"
        try:
            reply = await self._send(headers, seconds)
        except httpx.TransportError as error:
            self.told.client_left(self.plan.number)
            self.told.see(self.plan.number, repr(error))
            return True
        said = reply.headers
        self.told.see(self.plan.number, f"{reply.status_code} {_code(reply)}")
        if reply.status_code == 200:
            self.told.answers.append(
                Answer(
                    self.plan.number,
                    reply.status_code,
                    said.get("x-request-id", ""),
                    said.get("x-credits-charged", ""),
                    "x-idempotent-replay" in said,
                )
            )
            return False
        if wish := said.get("x-should-retry"):
            return bool(wish == "true")
        return reply.status_code in RETRIED or reply.status_code >= 500

    async def _send(self, headers: dict[str, str], seconds: float) -> httpx.Response:
        """The whole answer; of a stream that breaks its head, after which no SDK tries
        again. Raises: httpx.TransportError."""
        asked = self.plan.request
        request = self.http.build_request(
            "POST",
            await self._url(),
            json=None if asked.files else asked.body,
            data=asked.body if asked.files else None,
            files=asked.files,
            headers=headers,
            timeout=httpx.Timeout(PATIENCE_SECONDS, read=seconds),
        )
        reply = await self.http.send(request, stream=True)
        try:
            with suppress(*([httpx.TransportError] if self._is_stream else [])):
                await reply.aread()
        finally:
            await reply.aclose()
        return reply

    @property
    def _is_stream(self) -> bool:
        return self.plan.operation == "stream"

    async def _leave(self) -> None:
        """Go away before the answer's head, or at its first bytes."""
        seconds = self.chance.choice((0.02, 0.1, 0.3))
        try:
            url = await self._url()
            async with (
                asyncio.timeout(None if self.plan.seed % 2 else seconds),
                self.http.stream("POST", url, json=self.plan.request.body) as reply,
            ):
                async for _ in reply.aiter_raw():
                    break
        except (httpx.TransportError, TimeoutError):
            pass

    async def _url(self) -> str:
        """One gateway after the other; a plain client, who asks but once, takes one
        that listens. Raises: httpx.ConnectError."""
        self.attempts += 1
        number = self.plan.seed + self.attempts
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            base_url = self.base_urls[number % len(self.base_urls)]
            if self.plan.manners == "sdk" or await _listens(base_url):
                return f"{base_url}/{self.plan.request.path}"
            if time.monotonic() > until:
                raise httpx.ConnectError("nobody listens")
            number += 1
            await asyncio.sleep(PAUSE_SECONDS)


def _code(reply: httpx.Response) -> str:
    """The error's code, or whose answer it is."""
    if reply.status_code == 200:
        return str(reply.headers.get("x-request-id", ""))
    try:
        return str(reply.json()["error"]["code"])
    except (ValueError, KeyError):
        return reply.text[:200]


async def _listens(base_url: str) -> bool:
    url = httpx.URL(base_url)
    try:
        _, writer = await asyncio.open_connection(url.host, url.port)
    except OSError:
        return False
    writer.close()
    return True
