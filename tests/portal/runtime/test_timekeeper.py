"""Who runs what is due: one worker, whichever lives, and nobody twice."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from django.db import connections
from django.db.models import F

from billing.values import clock
from portal.models import ScheduledTask
from portal.runtime.timekeeper import HANGS, LOOKS_MAX, Timekeeper
from portal.runtime.timetable import TIMETABLE
from tests.portal.runtime.conftest import POLL, PURGE, Hall

HOUR = timedelta(hours=1)


def line(task: str = PURGE) -> ScheduledTask:
    return ScheduledTask.objects.get(task=task)


def set_line(task: str = PURGE, **columns: object) -> None:
    ScheduledTask.objects.filter(task=task).update(**columns)


def make_due(task: str = PURGE) -> None:
    set_line(task, due_at=clock.now() - timedelta(seconds=1))


def test_a_first_look_makes_the_rows_and_runs_what_is_due(hall: Hall) -> None:
    hall.look(hall.keeper())
    assert {row.task for row in ScheduledTask.objects.all()} == set(TIMETABLE)
    # Not what is for the night, such as the proof of the ledger.
    begun = {name for name, task in hall.tasks.items() if task.begun}
    assert begun == {name for name, entry in TIMETABLE.items() if entry.at is None}


def test_what_is_not_due_does_not_run(hall: Hall) -> None:
    keeper = hall.keeper()
    hall.look(keeper)
    set_line(due_at=clock.now() + TIMETABLE[PURGE].every)
    hall.look(keeper, 3)
    assert hall.purge.begun == 1


def test_the_next_time_is_written_with_the_taking(hall: Hall) -> None:
    before = clock.now()
    hall.purge.gate.clear()
    hall.look(hall.keeper())
    row = line()
    assert row.taken_by
    every = TIMETABLE[PURGE].every
    slack = timedelta(seconds=1)  # SQLite's clock counts milliseconds
    assert before + every - slack <= row.due_at <= clock.now() + every + slack


def test_of_many_workers_one_takes_a_due_task(hall: Hall) -> None:
    keepers = [hall.keeper() for _ in range(6)]
    hall.look(keepers[0])
    rounds = 10
    with ThreadPoolExecutor(len(keepers)) as pool:
        for _ in range(rounds):
            make_due()
            meeting = threading.Barrier(len(keepers))

            def look(keeper: Timekeeper, meeting: threading.Barrier) -> None:
                meeting.wait()
                keeper.look()
                connections.close_all()

            list(pool.map(look, keepers, [meeting] * len(keepers)))
            hall.settle()
            for keeper in keepers:
                keeper.look()  # the run is given back
            hall.settle()
    assert hall.purge.begun == 1 + rounds


def test_a_task_that_still_runs_is_not_started_again(hall: Hall) -> None:
    one, other = hall.keeper(), hall.keeper()
    hall.purge.gate.clear()
    hall.look(one)
    for _ in range(2 * LOOKS_MAX):
        make_due()
        hall.look(one)
        hall.look(other)
        hall.now -= 1  # they look in the same second
    assert hall.purge.begun == 1


def test_runs_that_may_overlap_do(hall: Hall) -> None:
    keeper = hall.keeper()
    hall.poll.gate.clear()
    for _ in range(10):
        hall.look(keeper)
        make_due(POLL)
    assert hall.poll.begun == 4


def test_a_dead_workers_task_is_taken_over(hall: Hall) -> None:
    keeper = hall.keeper()
    hall.look(keeper)
    set_line(taken_by=uuid.uuid4(), due_at=clock.now() + TIMETABLE[PURGE].every)
    hall.look(keeper, LOOKS_MAX)
    assert hall.purge.begun == 1
    hall.look(keeper)
    assert hall.purge.begun == 2


def test_a_living_workers_task_is_not(hall: Hall) -> None:
    keeper = hall.keeper()
    hall.look(keeper)
    set_line(taken_by=uuid.uuid4())
    for _ in range(5):
        hall.look(keeper, LOOKS_MAX - 1)
        set_line(beats=F("beats") + 1)
    assert hall.purge.begun == 1


def test_who_stood_still_itself_has_not_looked(hall: Hall) -> None:
    """A frozen machine's workers all wake at once; none of them is dead."""
    keeper = hall.keeper()
    hall.look(keeper)
    set_line(taken_by=uuid.uuid4())
    for _ in range(4):
        hall.look(keeper, LOOKS_MAX - 1)
        hall.now += 3600
    assert hall.purge.begun == 1


def test_a_worker_that_lost_its_task_does_not_give_it_back(hall: Hall) -> None:
    slow, quick = hall.keeper(), hall.keeper()
    hall.purge.gate.clear()
    hall.look(slow)
    other = uuid.uuid4()
    set_line(taken_by=other)
    hall.purge.gate.set()
    hall.settle()
    hall.look(slow)
    assert line().taken_by == other
    hall.look(quick)
    assert hall.purge.begun == 1


@pytest.mark.parametrize("ahead", [HOUR, timedelta(days=400)])
def test_a_clock_that_was_set_back_silences_nothing(
    hall: Hall, ahead: timedelta
) -> None:
    keeper = hall.keeper()
    hall.look(keeper)
    ScheduledTask.objects.update(due_at=clock.now() + timedelta(days=2) + ahead)
    hall.look(keeper)
    assert hall.purge.begun == 2
    assert hall.tasks["billing.tasks.verify_ledger"].begun == 1
    hall.look(keeper, 3)
    assert hall.purge.begun == 2


def test_a_clock_that_is_corrected_doubles_nothing(hall: Hall) -> None:
    keeper = hall.keeper()
    hall.look(keeper)
    set_line(due_at=clock.now() + TIMETABLE[PURGE].every + timedelta(seconds=5))
    hall.look(keeper, 3)
    assert hall.purge.begun == 1


def test_rows_that_somebody_deleted_are_made_again(hall: Hall) -> None:
    keeper = hall.keeper()
    hall.look(keeper)
    ScheduledTask.objects.all().delete()
    hall.look(keeper)
    assert hall.purge.begun == 2


def test_a_failed_run_is_counted_and_tried_again(hall: Hall) -> None:
    keeper = hall.keeper()
    hall.purge.fails = hall.poll.fails = True
    for _ in range(3):
        hall.look(keeper)
        make_due()
        make_due(POLL)
    assert [line().failures, line(POLL).failures] == [2, 2]
    hall.purge.fails = hall.poll.fails = False
    for _ in range(2):
        hall.look(keeper)
        make_due()
        make_due(POLL)
    assert [line().failures, line(POLL).failures] == [0, 0]


def test_an_unknown_task_fails_and_is_given_back(hall: Hall) -> None:
    del hall.tasks[PURGE]
    keeper = hall.keeper()
    hall.look(keeper)
    for _ in range(50):
        if line().failures:
            break
        hall.look(keeper)
    assert line().failures == 1
    assert line().taken_by is None


def test_a_run_that_hangs_ends_its_worker(hall: Hall) -> None:
    keeper = hall.keeper()
    hall.purge.gate.clear()
    hall.look(keeper)
    hall.now += TIMETABLE[PURGE].longest.total_seconds() - 10
    keeper.look()
    assert hall.deaths == []
    hall.now += 20
    keeper.look()
    assert hall.deaths == [HANGS]


@pytest.mark.postgres_only  # a writer of SQLite's has the whole file
def test_a_locked_row_holds_up_its_own_task_only(hall: Hall, database_url: str) -> None:
    keeper = hall.keeper()
    hall.look(keeper)
    make_due()
    make_due(POLL)
    with psycopg.connect(database_url) as other:
        other.execute(
            "SELECT 1 FROM portal_scheduledtask WHERE task = %s FOR UPDATE", [PURGE]
        )
        hall.look(keeper)
        assert [hall.purge.begun, hall.poll.begun] == [1, 2]
    hall.look(keeper)
    assert hall.purge.begun == 2


def test_a_worker_that_is_told_to_end_takes_nothing_more(hall: Hall) -> None:
    keeper = hall.keeper()
    keeper.start()
    keeper.stop()
    begun = hall.purge.begun
    make_due()
    hall.look(keeper, 3)
    assert hall.purge.begun == begun
    assert line().taken_by is None
