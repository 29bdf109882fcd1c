"""The load generator: N connections, each sends its next request after a reply.

A process of its own (`python -m tests.bench.load`): takes a plan as JSON on
standard input and gives the figures as JSON on standard output.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import sys
import time
from array import array
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import cast

import uvloop

from tests.bench import machine, wire

LAST_REPLIES_SECONDS = 30
ERROR_EXCERPT_CHARS = 160


@dataclass(frozen=True)
class Plan:
    """What to send where. `calls` ends the run by count, 0 by the clock."""

    port: int
    path: str
    api_key: str
    concurrency: int
    kinds: list[wire.Kind]
    seconds: float = 0
    warmup_seconds: float = 0
    calls: int = 0
    watch: dict[str, int] = field(default_factory=dict)
    server_cores: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Figures:
    """Calls and CPU of the window; good replies and errors of the whole run."""

    calls: int
    seconds: float
    p50_ms: float
    p99_ms: float
    ttfb_p50_ms: float
    cpu_seconds: dict[str, float]
    server_cores_busy_seconds: float
    replies: int
    errors: dict[str, int]


class Run:
    """What all connections share: the plan, the window, what was counted."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.sent = self.replies = 0
        self.open = plan.concurrency
        self.is_counting = self.is_over = False
        self.began = self.seconds = self.busy = 0.0
        self.cpu: dict[str, float] = {}
        self.latencies = array("d")
        self.first_bytes = array("d")
        self.errors: Counter[str] = Counter()
        self.all_answered = asyncio.Event()

    def may_send(self) -> bool:
        if self.is_over or (self.plan.calls and self.sent >= self.plan.calls):
            return False
        self.sent += 1
        return True

    def closed(self) -> None:
        self.open -= 1
        if not self.open:
            self.all_answered.set()

    def begin_window(self) -> None:
        self.cpu = machine.cpu_seconds(self.watched())
        self.busy = machine.busy_seconds(frozenset(self.plan.server_cores))
        self.is_counting = True
        self.began = time.perf_counter()

    def end_window(self) -> None:
        if not self.latencies:
            self.errors["no call was answered in the window"] += 1
        self.seconds = time.perf_counter() - self.began
        self.is_counting = False
        busy = machine.busy_seconds(frozenset(self.plan.server_cores))
        self.busy = busy - self.busy
        now = machine.cpu_seconds(self.watched())
        self.cpu = {name: now[name] - before for name, before in self.cpu.items()}

    def watched(self) -> dict[str, int]:
        return self.plan.watch | {"load": os.getpid()}

    def figures(self) -> Figures:
        return Figures(
            calls=len(self.latencies),
            seconds=self.seconds,
            p50_ms=percentile_ms(self.latencies, 50),
            p99_ms=percentile_ms(self.latencies, 99),
            ttfb_p50_ms=percentile_ms(self.first_bytes, 50),
            cpu_seconds=self.cpu,
            server_cores_busy_seconds=self.busy,
            replies=self.replies,
            errors=dict(self.errors),
        )


def percentile_ms(seconds: array[float], percent: int) -> float:
    if len(seconds) < 2:
        return seconds[0] * 1000 if seconds else 0.0
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return cuts[percent - 1] * 1000


class Connection(asyncio.Protocol):
    """One caller: a request, its whole reply, the next request."""

    def __init__(self, run: Run, kind: wire.Kind) -> None:
        self.run = run
        self.proof = wire.PROOF[kind]
        plan = run.plan
        self.request = wire.request(
            kind=kind, port=plan.port, path=plan.path, api_key=plan.api_key
        )
        self.transport: asyncio.Transport | None = None
        self.is_waiting = False
        self.received = bytearray()
        self.body_at = self.body_end = 0
        self.sent_at = self.first_byte_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods but not the base class
        self.transport = cast(asyncio.Transport, transport)
        self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.is_waiting:
            self.run.errors["connection lost before the reply was complete"] += 1
        self.run.closed()

    def ask(self) -> None:
        assert self.transport is not None
        self.is_waiting = self.run.may_send()
        if not self.is_waiting:
            self.transport.close()
            return
        self.received.clear()
        self.body_at = self.body_end = 0
        self.first_byte_at = 0.0
        self.sent_at = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        received = self.received
        received += data
        if not self.body_at and not self.read_head():
            return
        if not self.first_byte_at and len(received) > self.body_at:
            self.first_byte_at = now
        if self.body_end:
            is_complete = len(received) >= self.body_end
        else:
            is_complete = received.endswith(wire.LAST_CHUNK)
        if is_complete:
            self.count(now)
            self.ask()

    def read_head(self) -> bool:
        head_end = self.received.find(wire.HEAD_END)
        if head_end < 0:
            return False
        self.body_at = head_end + len(wire.HEAD_END)
        length = wire.LENGTH.search(self.received, 0, head_end)
        self.body_end = self.body_at + int(length[1]) if length else 0
        return True

    def count(self, now: float) -> None:
        run = self.run
        if self.received[9:12] != b"200":
            run.errors[self.received[9:12].decode() + ": " + self.excerpt()] += 1
        elif self.received.find(self.proof, self.body_at) < 0:
            run.errors["200 with a wrong body: " + self.excerpt()] += 1
        else:
            run.replies += 1
            if run.is_counting:
                run.latencies.append(now - self.sent_at)
                run.first_bytes.append(self.first_byte_at - self.sent_at)

    def excerpt(self) -> str:
        body = self.received[self.body_at :][:ERROR_EXCERPT_CHARS]
        return body.decode(errors="replace")


async def drive(plan: Plan) -> Figures:
    run = Run(plan)
    loop = asyncio.get_running_loop()
    if plan.calls:
        run.begin_window()
    connections: list[Connection] = []
    for number in range(plan.concurrency):
        kind = plan.kinds[number % len(plan.kinds)]
        _, connection = await loop.create_connection(
            partial(Connection, run, kind), "127.0.0.1", plan.port
        )
        connections.append(connection)
    if plan.calls:
        await run.all_answered.wait()
        run.end_window()
        return run.figures()
    await asyncio.sleep(plan.warmup_seconds)
    run.begin_window()
    await asyncio.sleep(plan.seconds)
    run.end_window()
    run.is_over = True
    try:
        # Each call gets its reply: the ledger is compared with the replies read here.
        async with asyncio.timeout(LAST_REPLIES_SECONDS):
            await run.all_answered.wait()
    except TimeoutError:
        run.errors["no reply"] += sum(each.is_waiting for each in connections)
    return run.figures()


def main() -> None:
    plan = Plan(**json.load(sys.stdin))
    gc.disable()
    json.dump(asdict(uvloop.run(drive(plan))), sys.stdout)


if __name__ == "__main__":
    main()
