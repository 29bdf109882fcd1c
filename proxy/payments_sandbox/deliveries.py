"""Webhooks: signed, sent again until somebody takes them, and as badly as wanted.

Nothing here waits or sends: `take` hands out what is due, `report` says how it went.
So a test can post the deliveries itself, and `courier` posts them in threads.
"""

from __future__ import annotations

import hashlib
import heapq
import hmac
import itertools
import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# Stripe goes on for three days; a demonstration wants to see the end.
RETRY_SECONDS = (1, 5, 30, 120, 600, 3600)
ATTEMPTS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How badly webhooks arrive. Shares are from 0 to 1, decided by the seed."""

    loss: float = 0  # of events that nobody ever sends
    repeat: float = 0  # of deliveries that are made twice though the first was taken
    delay_seconds: float = 0  # at most; any time up to it, so that order is lost
    double: float = 0  # of changes that are told by two Event objects
    is_held: bool = False  # nothing is due until this is false again
    retry_seconds: tuple[float, ...] = RETRY_SECONDS
    seed: int = 1


@dataclass(frozen=True, slots=True, order=True)
class Delivery:
    """One attempt to tell one endpoint of one event."""

    due: float
    number: int
    event_id: str = field(compare=False)
    endpoint_id: str = field(compare=False)
    url: str = field(compare=False)
    secret: str = field(compare=False)
    body: bytes = field(compare=False)
    attempt: int = field(compare=False, default=0)

    def headers(self, at: float) -> dict[str, str]:
        return {
            "content-type": "application/json; charset=utf-8",
            "user-agent": "Stripe/1.0 (a sandbox)",
            "stripe-signature": signature(self.body, self.secret, at),
        }


def signature(body: bytes, secret: str, at: float) -> str:
    signed = f"{int(at)}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return f"t={int(at)},v1={digest}"


class Deliveries:
    """What is to be sent; every method may be called from any thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heap: list[Delivery] = []
        self._numbers = itertools.count(1)
        self._under_way = 0
        self.changed = threading.Condition()
        self.endpoints: dict[str, dict[str, Any]] = {}
        # What was sent and what came back, for people and tests to look at.
        self.log: list[dict[str, Any]] = []
        self.behave(Behaviour())

    def behave(self, behaviour: Behaviour) -> None:
        with self.changed:
            self.behaviour = behaviour
            self._chance = random.Random(behaviour.seed)  # noqa: S311  no secret
            self.changed.notify_all()

    def is_doubled(self) -> bool:
        """Whether this change is told by two Event objects."""
        with self.changed:
            return self._chance.random() < self.behaviour.double

    def enqueue(self, event: dict[str, Any]) -> int:
        """For each endpoint that wants it; how many those are."""
        with self.changed:
            wanting = [
                endpoint
                for endpoint in self.endpoints.values()
                if {"*", event["type"]} & set(endpoint["enabled_events"])
            ]
            body = json.dumps(event, indent=2).encode()
            for endpoint in wanting:
                self._plan(event["id"], endpoint, body)
            self.changed.notify_all()
            return len(wanting)

    def _plan(self, event_id: str, endpoint: dict[str, Any], body: bytes) -> None:
        if self._chance.random() < self.behaviour.loss:
            self._note(event_id, endpoint["url"], 0, "lost")
            return
        times = 2 if self._chance.random() < self.behaviour.repeat else 1
        for _ in range(times):
            due = self._clock() + self._chance.random() * self.behaviour.delay_seconds
            delivery = Delivery(
                due,
                next(self._numbers),
                event_id,
                endpoint["id"],
                endpoint["url"],
                endpoint["_secret"],
                body,
            )
            heapq.heappush(self._heap, delivery)

    def take(self, *, is_due_later_too: bool = False) -> Delivery | None:
        """The next that is due; each must be reported."""
        with self.changed:
            if self.behaviour.is_held or not self._heap:
                return None
            if not is_due_later_too and self._heap[0].due > self._clock():
                return None
            self._under_way += 1
            return heapq.heappop(self._heap)

    def report(self, delivery: Delivery, outcome: int | str) -> None:
        """The status that came back, or why none did. What was not taken is due
        again, until the attempts are used up."""
        with self.changed:
            self._under_way -= 1
            self._note(delivery.event_id, delivery.url, delivery.attempt, outcome)
            is_taken = isinstance(outcome, int) and 200 <= outcome < 300
            waits = self.behaviour.retry_seconds
            is_known = delivery.endpoint_id in self.endpoints
            if not is_taken and is_known and delivery.attempt < len(waits):
                again = Delivery(
                    self._clock() + waits[delivery.attempt],
                    next(self._numbers),
                    delivery.event_id,
                    delivery.endpoint_id,
                    delivery.url,
                    delivery.secret,
                    delivery.body,
                    delivery.attempt + 1,
                )
                heapq.heappush(self._heap, again)
            self.changed.notify_all()

    def seconds_to_next(self) -> float | None:
        """None while nothing waits."""
        with self.changed:
            if self.behaviour.is_held or not self._heap:
                return None
            return max(0.0, self._heap[0].due - self._clock())

    def is_idle(self) -> bool:
        """Nothing is under way and nothing is due, now or later."""
        with self.changed:
            return not self._heap and not self._under_way

    def _note(self, event_id: str, url: str, attempt: int, outcome: int | str) -> None:
        del self.log[:-ATTEMPTS_KEPT]
        self.log.append(
            {"event": event_id, "url": url, "attempt": attempt, "outcome": outcome}
        )
