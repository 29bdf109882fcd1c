"""What the upstream received and what it charged: the oracle of exactness."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, overload

from tests.support.upstream.wire import Request
from tests.support.waiting import PATIENCE_SECONDS

State = Literal[
    "received", "replying", "stalled", "complete", "cut", "client_gone", "dropped"
]
FINISHED = frozenset({"complete", "cut", "client_gone", "dropped"})


@dataclass(kw_only=True)
class JournalEntry:
    """One request and what became of it; the server's thread keeps it current."""

    id: str
    request: Request
    body: Any
    credits: int = 0
    charged: bool = False
    state: State = "received"
    status: int | None = None
    pieces_sent: int = 0
    bytes_sent: int = 0
    received_at: float = field(default_factory=time.monotonic)

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def path(self) -> str:
        return self.request.path

    @property
    def query(self) -> dict[str, list[str]]:
        return self.request.query

    @property
    def headers(self) -> dict[str, str]:
        return self.request.headers

    @property
    def raw_body(self) -> bytes:
        return self.request.raw_body

    @property
    def model(self) -> str | None:
        model = self.body.get("model") if isinstance(self.body, dict) else None
        return model if isinstance(model, str) else None

    @property
    def is_finished(self) -> bool:
        return self.state in FINISHED

    def as_dict(self) -> dict[str, Any]:
        """The entry as `GET /journal` shows it."""
        return {
            "id": self.id,
            "method": self.method,
            "path": self.path,
            "headers": self.headers,
            "body": self.body,
            "model": self.model,
            "credits": self.credits,
            "charged": self.charged,
            "state": self.state,
            "status": self.status,
            "pieces_sent": self.pieces_sent,
        }


class Journal:
    """A list of entries that one thread writes and any thread reads."""

    def __init__(self) -> None:
        self._entries: list[JournalEntry] = []
        self._changed = threading.Condition()
        self._serial = 0

    def open(self, request: Request) -> JournalEntry:
        """A new entry for a request that has just arrived."""
        entry = self.draft(request)
        with self._changed:
            self._entries.append(entry)
            self._changed.notify_all()
        return entry

    def draft(self, request: Request) -> JournalEntry:
        """An entry that nobody sees."""
        with self._changed:
            self._serial += 1
            serial = self._serial
        return JournalEntry(
            id=f"up-{serial:06}", request=request, body=request.parse_json()
        )

    def mark(self, entry: JournalEntry, **changes: Any) -> None:
        """Change an entry and wake whoever waits for it."""
        with self._changed:
            for name, value in changes.items():
                setattr(entry, name, value)
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget everything; serial numbers go on, so that ids stay unique."""
        with self._changed:
            self._entries.clear()

    def wait_until(
        self,
        condition: Callable[[list[JournalEntry]], bool],
        *,
        seconds_max: float = PATIENCE_SECONDS,
    ) -> list[JournalEntry]:
        """The entries, as soon as they satisfy `condition`.

        Raises: AssertionError when they don't in time.
        """
        deadline = time.monotonic() + seconds_max
        with self._changed:
            while not condition(self._entries):
                # Looked at now and then: how far a reply has got announces nothing.
                self._changed.wait(0.02)
                if time.monotonic() < deadline:
                    continue
                states = [(entry.path, entry.state) for entry in self._entries]
                raise AssertionError(f"waited {seconds_max} s in vain, have {states}")
            return list(self._entries)

    def wait_arrived(self, count: int = 1) -> list[JournalEntry]:
        """The entries, once there are `count`."""
        return self.wait_until(lambda entries: len(entries) == count)

    def wait_finished(
        self, count: int = 1, *, seconds_max: float = PATIENCE_SECONDS
    ) -> list[JournalEntry]:
        """The entries, once `count` of them are answered or given up."""
        return self.wait_until(
            lambda entries: sum(entry.is_finished for entry in entries) >= count,
            seconds_max=seconds_max,
        )

    def total_credits(self) -> int:
        """All credits charged."""
        return sum(entry.credits for entry in self if entry.charged)

    @property
    def last(self) -> JournalEntry:
        return self[-1]

    def __iter__(self) -> Iterator[JournalEntry]:
        with self._changed:
            return iter(list(self._entries))

    def __len__(self) -> int:
        with self._changed:
            return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> JournalEntry: ...

    @overload
    def __getitem__(self, index: slice) -> list[JournalEntry]: ...

    def __getitem__(self, index: int | slice) -> JournalEntry | list[JournalEntry]:
        with self._changed:
            return self._entries[index]
