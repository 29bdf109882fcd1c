"""Each worker's timekeeper: takes the due tasks of the timetable and runs them.

It is a thread of the worker and a step of Celery's, started before the connection to
the broker: the tasks of the timetable do not pass through the broker, so that due work
goes on while that is lost. Between workers nothing but the rows decides.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from celery import bootsteps, signals
from django.db import connection, connections

from portal.runtime import timetable
from portal.runtime.timetable import Entry, Line

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
LOOK_SECONDS_MIN = 0.05
ERROR_SECONDS = 5.0
# How often a worker that runs a task says so, and after how many looks without such a
# word another takes the task over. Looks and not seconds: a machine that stood still
# itself has not looked.
BEAT_SECONDS = 2.0
LOOKS_MAX = 10
# Looks further apart than this do not add up.
GAP_SECONDS = 3.0
# Overlapping runs of one task in one worker.
TOGETHER_MAX = 4
# How long a worker that is told to end waits for what it runs. Every task may be cut:
# another worker goes on.
STOP_SECONDS = 20.0
HANGS = 70  # the exit code when a run hangs


@dataclass
class Run:
    entry: Entry
    started: float
    had_failures: bool
    has_failed: bool | None = None  # unknown while it runs


@dataclass
class Sighting:
    """Another worker's run, as this one saw it last."""

    beats: int
    looks: int
    at: float


class Timekeeper:
    """The thread, and what this worker runs now."""

    def __init__(
        self,
        tasks: Mapping[str, Any],
        *,
        clock: Callable[[], float] = time.monotonic,
        die: Callable[[int], None] = os._exit,
    ) -> None:
        self._tasks, self._clock, self._die = tasks, clock, die
        self._id = uuid.uuid4()
        self._runs: list[Run] = []  # of the thread alone
        self._seen: dict[str, Sighting] = {}
        self._beaten_at = 0.0
        self._wake = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(
            target=self._keep, name="timekeeper", daemon=True
        )

    def start(self) -> None:
        signals.worker_shutting_down.connect(self._take_no_more)
        self._thread.start()

    def stop(self) -> None:
        """Take nothing more, and wait for what runs, but not for ever."""
        self._take_no_more()
        self._thread.join(STOP_SECONDS)

    def _take_no_more(self, **_: Any) -> None:
        self._is_stopping = True
        self._wake.set()

    def _keep(self) -> None:
        while not self._is_stopping or self._runs:
            try:
                pause = self.look()
            except Exception:  # noqa: BLE001  the timetable outlives every error
                logger.exception("the timetable could not be kept; it is tried again")
                connection.close()
                pause = ERROR_SECONDS
            self._wake.wait(pause)
            self._wake.clear()

    # --- one look -------------------------------------------------------------------

    def look(self) -> float:
        """Write what ended, say what runs, take what is due; seconds to the next."""
        self._end_if_a_run_hangs()
        self._give_back()
        self._beat()
        lines = timetable.read()
        if len(lines) < len(timetable.TIMETABLE):
            timetable.add_missing(lines)
            lines = timetable.read()
        pause = LOOK_SECONDS
        for line in lines:
            if self._is_for_me(line):
                if timetable.take(line, self._id):
                    self._start(line)
            elif not line.is_due:
                wait = (line.due_at - line.now).total_seconds()
                pause = min(pause, max(wait, LOOK_SECONDS_MIN))
        return pause

    def _is_for_me(self, line: Line) -> bool:
        if self._is_stopping:
            return False
        mine = sum(run.entry == line.entry for run in self._runs)
        if mine >= (TOGETHER_MAX if line.entry.may_overlap else 1):
            return False
        if line.taken_by is not None:
            return self._is_abandoned(line)
        return line.is_due

    def _is_abandoned(self, line: Line) -> bool:
        """Whoever took the task has given no sign of life over enough looks."""
        now, task = self._clock(), line.entry.task
        seen = self._seen.get(task)
        if not seen or seen.beats != line.beats or now - seen.at > GAP_SECONDS:
            self._seen[task] = Sighting(line.beats, 0, now)
        elif now - seen.at >= LOOK_SECONDS * 0.9:
            seen.looks, seen.at = seen.looks + 1, now
            if seen.looks >= LOOKS_MAX:
                logger.warning("%s: its worker is dead, it is taken over", task)
                return True
        return False

    def _beat(self) -> None:
        tasks = [run.entry.task for run in self._runs if not run.entry.may_overlap]
        if tasks and self._clock() - self._beaten_at >= BEAT_SECONDS:
            timetable.beat(self._id, tasks)
            self._beaten_at = self._clock()

    def _end_if_a_run_hangs(self) -> None:
        for run in self._runs:
            age = self._clock() - run.started
            if run.has_failed is None and age > run.entry.longest.total_seconds():
                logger.critical("%s hangs; this worker ends", run.entry.task)
                self._die(HANGS)

    # --- runs -----------------------------------------------------------------------

    def _start(self, line: Line) -> None:
        run = Run(line.entry, self._clock(), line.failures > 0)
        self._seen.pop(line.entry.task, None)
        name = line.entry.task
        thread = threading.Thread(target=self._run, args=(run,), name=name, daemon=True)
        thread.start()
        self._runs.append(run)  # not if that failed: then another takes the task over

    def _run(self, run: Run) -> None:
        has_failed = True
        try:
            # Celery's own call, with its signals and its log; only the broker is left
            # out.
            has_failed = self._tasks[run.entry.task].apply().failed()
        except Exception:  # noqa: BLE001  the row must be given back
            logger.exception("%s failed", run.entry.task)
        finally:
            connections.close_all()
            run.has_failed = has_failed
            self._wake.set()

    def _give_back(self) -> None:
        for run in [run for run in self._runs if run.has_failed is not None]:
            # An overlapping run holds no row: only its failures are written.
            is_silent = run.entry.may_overlap and not (
                run.has_failed or run.had_failures
            )
            if is_silent or timetable.give_back(
                self._id, run.entry.task, has_failed=bool(run.has_failed)
            ):
                self._runs.remove(run)


class TimekeeperStep(bootsteps.StartStopStep):
    """Starts and stops the timekeeper with the worker (`portal/celery.py`)."""

    # Before the consumer, which is the last step and waits for the broker.
    requires = ("celery.worker.components:Pool",)

    def create(self, parent: Any) -> Timekeeper:  # type: ignore[override]
        return Timekeeper(parent.app.tasks)
