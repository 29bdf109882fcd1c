"""What a page costs the server: milliseconds, and queries."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.test import Client


@dataclass(frozen=True)
class Cost:
    """Of one page; `p95_ms` of at least 20 requests after the first. `cpu_ms` is the
    middle one's time of our process alone, which a busy machine does not lengthen."""

    name: str
    queries: int
    p50_ms: int
    p95_ms: int
    cpu_ms: int
    bytes: int
    slowest: str  # of its statements, and how long that took


@contextmanager
def counted() -> Iterator[list[tuple[str, float]]]:
    """The statements of this connection, each with its seconds."""
    found: list[tuple[str, float]] = []

    def note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        start = time.perf_counter()
        try:
            return execute(sql, *rest)
        finally:
            found.append((sql, time.perf_counter() - start))

    with connection.execute_wrapper(note):
        yield found


def queries(client: Client, url: str) -> list[str]:
    """The statements of one request, savepoints left out."""
    with counted() as found:
        answer = client.get(url)
    assert answer.status_code == 200, (url, answer.status_code)
    return [sql for sql, _ in found if "SAVEPOINT" not in sql]


def cost(client: Client, name: str, url: str, *, times: int = 20) -> Cost:
    """The first request fills caches and is not counted."""
    with counted() as found:
        answer = client.get(url, headers={"accept-encoding": "gzip"})
        content = b"".join(answer) if answer.streaming else answer.content
    spare_the_collector()
    took = sorted(_milliseconds(client, url) for _ in range(times))
    worked = sorted(cpu for _, cpu in took)
    sql, seconds = max(found, key=lambda each: each[1], default=("", 0.0))
    return Cost(
        name,
        sum("SAVEPOINT" not in sql for sql, _ in found),
        took[len(took) // 2][0],
        took[len(took) * 95 // 100][0],
        worked[len(worked) // 2],
        len(content),
        f"{seconds * 1000:.0f} ms {' '.join(sql.split())[:400]}",
    )


def spare_the_collector() -> None:
    """As the server does (`proxy/asgi.py`): Python's own search through all that was
    ever loaded takes 130 ms, in the middle of one request in some hundreds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


def _milliseconds(client: Client, url: str) -> tuple[int, int]:
    """By the clock, and of this process."""
    start, worked = time.perf_counter(), time.process_time()
    answer = client.get(url)
    if answer.streaming:
        for _ in answer:
            pass
    ends = time.perf_counter(), time.process_time()
    return round((ends[0] - start) * 1000), round((ends[1] - worked) * 1000)
