"""Timekeepers whose clock stands still until a test moves it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from portal.models import ScheduledTask
from portal.runtime.timekeeper import Timekeeper
from portal.runtime.timetable import TIMETABLE
from tests.support.waiting import PATIENCE_SECONDS, wait_for

# Runs alone, each minute; and one whose runs may overlap.
PURGE = "proxy.tasks.purge_replies"
POLL = "proxy.tasks.poll_jobs"


@dataclass
class Task:
    """Stands in for a Celery task: counts its runs, waits for its gate, may fail."""

    begun: int = 0
    ended: int = 0
    fails: bool = False
    gate: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def apply(self) -> SimpleNamespace:
        with self.lock:
            self.begun += 1
        assert self.gate.wait(PATIENCE_SECONDS)
        with self.lock:
            self.ended += 1
        return SimpleNamespace(failed=lambda: self.fails)


class Hall:
    """Some timekeepers, the tasks that they all run, and their common clock."""

    def __init__(self) -> None:
        self.tasks = {name: Task() for name in TIMETABLE}
        for task in self.tasks.values():
            task.gate.set()
        self.now = 1000.0
        self.deaths: list[int] = []
        self.purge, self.poll = self.tasks[PURGE], self.tasks[POLL]

    def keeper(self) -> Timekeeper:
        return Timekeeper(self.tasks, clock=lambda: self.now, die=self.deaths.append)

    def look(self, keeper: Timekeeper, times: int = 1) -> None:
        """Looks a second apart; what they start, and is not gated, ends."""
        for _ in range(times):
            self.now += 1
            keeper.look()
            self.settle()

    def settle(self) -> None:
        def is_settled() -> bool:
            return all(
                not task.gate.is_set() or task.begun == task.ended
                for task in self.tasks.values()
            )

        wait_for(is_settled, explain=lambda: self.tasks)
        # Their threads end after they have written that.
        for thread in threading.enumerate():
            task = self.tasks.get(thread.name)
            if task and task.gate.is_set():
                thread.join(PATIENCE_SECONDS)


@pytest.fixture
def hall(committed_db: None) -> Iterator[Hall]:
    ScheduledTask.objects.all().delete()
    made = Hall()
    yield made
    for task in made.tasks.values():
        task.gate.set()
    made.settle()
    ScheduledTask.objects.all().delete()
