"""The timetable: the tasks that run by themselves, as rows that any worker may take.

A due task is taken in one transaction that also writes when it is due again, by the
database's clock. So two workers never take the same time, and a worker that is killed
takes no timetable with it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import cast

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.functional import SimpleLazyObject

from billing.values import clock
from portal.models import ScheduledTask

PURGE_SECONDS = 60
DAYS_SECONDS = 60
WATCH_SECONDS = 15
DAY = timedelta(days=1)
# How far ahead of the rule a due time may be: a clock that is corrected by less must
# not make a task run twice, one that was set back by more must not silence it.
CLOCK_SLACK = timedelta(seconds=10)
# When /readyz says that due work stands still.
LATE_AFTER = timedelta(seconds=30)
FAILURES_TO_NAME = 3


@dataclass(frozen=True)
class Entry:
    """One task, and when it runs."""

    task: str
    every: timedelta
    at: time | None = None  # of the day, for what runs daily; UTC
    # Its runs may overlap: they take their work row by row themselves, and one that
    # waits for the upstream must not keep the others waiting.
    may_overlap: bool = False
    # A run that takes longer hangs: nothing but the end of its process ends it.
    longest: timedelta = timedelta(hours=1)

    def due_after(self, now: datetime) -> datetime:
        """When it is due next, having been taken now."""
        if self.at is None:
            return now + self.every
        today = datetime.combine(now.date(), self.at, now.tzinfo)
        return today if today > now else today + DAY


def _seconds(task: str, seconds: int, *, may_overlap: bool = False) -> Entry:
    return Entry(task, timedelta(seconds=seconds), may_overlap=may_overlap)


def _entries() -> dict[str, Entry]:
    entries = (
        _seconds("billing.tasks.sweep_holds", settings.SWEEP_SECONDS),
        _seconds("portal.tasks.tell_operator", settings.SWEEP_SECONDS),
        _seconds("proxy.tasks.poll_jobs", settings.JOB_POLL_SECONDS, may_overlap=True),
        _seconds("portal.tasks.dispatch_events", 1),
        _seconds("portal.tasks.send_deliveries", 1, may_overlap=True),
        _seconds("portal.tasks.reconcile_topups", settings.PAYMENT_SWEEP_SECONDS),
        _seconds("portal.tasks.charge_topups", settings.PAYMENT_SWEEP_SECONDS),
        Entry("portal.tasks.list_drift", DAY, at=time(5, 11)),
        _seconds("portal.tasks.send_mails", 2),
        _seconds("portal.tasks.watch_organizations", WATCH_SECONDS),
        _seconds("proxy.tasks.name_stuck_jobs", 60),
        _seconds("proxy.tasks.purge_replies", PURGE_SECONDS),
        _seconds("portal.tasks.make_exports", 2, may_overlap=True),
        _seconds("portal.tasks.keep_exports", 30),
        Entry("portal.tasks.purge_sign_ins", timedelta(hours=1)),
        Entry("portal.tasks.purge_notices", timedelta(hours=6)),
        _seconds("billing.tasks.add_usage_days", DAYS_SECONDS),
        Entry("portal.tasks.forget_addresses", DAY, at=time(4, 41)),
        Entry("portal.tasks.forget_refused", DAY, at=time(4, 43)),
        Entry(
            "portal.tasks.verify_audit",
            DAY,
            at=time(3, 47),
            longest=timedelta(hours=6),
        ),
        Entry(
            "billing.tasks.verify_ledger",
            DAY,
            at=time(3, 17),
            longest=timedelta(hours=6),
        ),
    )
    return {entry.task: entry for entry in entries}


# As the settings have it when it is first asked.
TIMETABLE = cast(dict[str, Entry], SimpleLazyObject(_entries))


@dataclass(frozen=True)
class Line:
    """A row of the timetable as a look found it, beside the database's time."""

    entry: Entry
    due_at: datetime
    taken_by: uuid.UUID | None
    beats: int
    failures: int
    now: datetime

    @property
    def is_due(self) -> bool:
        return self.due_at <= self.now or self._is_beyond_reach

    @property
    def is_late(self) -> bool:
        return self.due_at < self.now - LATE_AFTER or self._is_beyond_reach

    @property
    def _is_beyond_reach(self) -> bool:
        """No rule gives such a time: the clock was set back, or the rule changed."""
        return self.due_at > self.now + self.entry.every + CLOCK_SLACK


def read() -> list[Line]:
    """The rows that there are."""
    rows = ScheduledTask.objects.filter(task__in=TIMETABLE).annotate(now=Now())
    return [
        Line(
            TIMETABLE[row.task],
            row.due_at,
            row.taken_by,
            row.beats,
            row.failures,
            row.now,
        )
        for row in rows
    ]


def add_missing(lines: Iterable[Line]) -> None:
    """Make the rows that `lines` has not got, each due for the first time."""
    missing = TIMETABLE.keys() - {line.entry.task for line in lines}
    # SQLite's own clock has milliseconds: due now must not be later than that.
    now = clock.now().replace(microsecond=0)
    rows = [
        ScheduledTask(
            task=task,
            due_at=now if entry.at is None else entry.due_after(now),
        )
        for task, entry in TIMETABLE.items()
        if task in missing
    ]
    ScheduledTask.objects.bulk_create(rows, ignore_conflicts=True)


def take(line: Line, worker: uuid.UUID) -> bool:
    """Take the task for this worker, if nobody did since the look.

    A row that somebody keeps locked is left for the next look.
    """
    entry = line.entry
    with transaction.atomic():
        row = (
            ScheduledTask.objects.select_for_update(skip_locked=True)
            .filter(task=entry.task, beats=line.beats)
            .annotate(now=Now())
            .first()
        )
        if row is None:
            return False
        row.due_at = entry.due_after(row.now)
        row.taken_by = None if entry.may_overlap else worker
        row.beats += 1
        row.save(update_fields=["due_at", "taken_by", "beats"])
    return True


def beat(worker: uuid.UUID, tasks: Iterable[str]) -> None:
    """Show that this worker still runs these tasks."""
    with transaction.atomic():
        mine = ScheduledTask.objects.filter(taken_by=worker, task__in=list(tasks))
        free = list(
            mine.select_for_update(skip_locked=True).values_list("task", flat=True)
        )
        ScheduledTask.objects.filter(pk__in=free).update(beats=F("beats") + 1)


def give_back(worker: uuid.UUID, task: str, *, has_failed: bool) -> bool:
    """Write that a run is over. False when the row is locked; then try again.

    Where another worker has taken the task meanwhile, nothing is written.
    """
    mine = ScheduledTask.objects.filter(task=task)
    if not TIMETABLE[task].may_overlap:
        mine = mine.filter(taken_by=worker)
    with transaction.atomic():
        row = mine.select_for_update(skip_locked=True).first()
        if row is None:
            return not mine.exists()
        row.taken_by = None
        row.beats += 1
        row.failures = row.failures + 1 if has_failed else 0
        row.save(update_fields=["taken_by", "beats", "failures"])
    return True


def complaints() -> list[str]:
    """What is wrong with the due work, in sentences; none when all is well."""
    found = {line.entry.task: line for line in read()}
    return [
        f"{task} {wrong}"
        for task in sorted(TIMETABLE)
        if (wrong := _complaint(found.get(task)))
    ]


def _complaint(line: Line | None) -> str:
    if line is None:
        return "has never run: is a worker running?"
    if line.is_late:
        return f"was due at {line.due_at:%Y-%m-%d %H:%M:%S} UTC: is a worker running?"
    if line.failures >= FAILURES_TO_NAME:
        return f"has failed {line.failures} times in a row: see the worker's log"
    return ""
