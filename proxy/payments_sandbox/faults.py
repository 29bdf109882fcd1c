"""Failures of the API on demand, for whoever calls it next.

kind           what happens
500            500 before anything is done
done-then-500  it is done, and kept for its idempotency key, but 500 is answered
done-then-cut  it is done, but the connection ends without an answer
cut            the connection ends before anything is done
slow           waits `seconds` first
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from proxy.payments_sandbox.errors import invalid

KINDS = {"500", "done-then-500", "done-then-cut", "cut", "slow"}
SECONDS_MAX = 60
COUNT_MAX = 1000


@dataclass(slots=True)
class Fault:
    kind: str
    path: str  # the beginning, below /v1/
    method: str
    count: int
    seconds: float


class Faults:
    """May be asked and filled from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[Fault] = []

    def plan(
        self,
        kind: str,
        path: str = "",
        *,
        method: str = "POST",
        count: int = 1,
        seconds: float = 0,
    ) -> None:
        """The next `count` such requests. Raises: Refusal (400)."""
        is_right = kind in KINDS and 0 < count <= COUNT_MAX
        if not is_right or not 0 <= seconds <= SECONDS_MAX:
            raise invalid("kind", f"Must be one of {', '.join(sorted(KINDS))}.")
        with self._lock:
            self._planned.append(Fault(kind, path, method, count, seconds))

    def clear(self) -> None:
        with self._lock:
            self._planned.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The first fault that means this request; it is used up by one."""
        with self._lock:
            for fault in self._planned:
                if fault.method == method and path.startswith(fault.path):
                    fault.count -= 1
                    if not fault.count:
                        self._planned.remove(fault)
                    return fault
        return None
