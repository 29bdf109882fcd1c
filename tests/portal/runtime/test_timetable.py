"""What the timetable names exists, and what stands still is said."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from django.test import Client

from billing.values import clock
from portal.celery import app
from portal.models import ScheduledTask
from portal.runtime import timetable
from portal.runtime.timetable import TIMETABLE, Entry

SWEEP = "billing.tasks.sweep_holds"


@pytest.mark.parametrize("name", sorted(TIMETABLE))
def test_an_entry_names_a_task_that_there_is(name: str) -> None:
    app.loader.import_default_modules()
    assert name in app.tasks


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (datetime(2026, 5, 1, 3, 16, 59, tzinfo=UTC), datetime(2026, 5, 1, 3, 17)),
        (datetime(2026, 5, 1, 3, 17, tzinfo=UTC), datetime(2026, 5, 2, 3, 17)),
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), datetime(2027, 1, 1, 3, 17)),
    ],
)
def test_what_runs_daily_is_due_at_its_time_of_the_day(
    now: datetime, due: datetime
) -> None:
    entry = Entry("any", timedelta(days=1), at=time(3, 17))
    assert entry.due_after(now) == due.replace(tzinfo=UTC)


@pytest.fixture
def lines(db: None) -> None:
    ScheduledTask.objects.all().delete()
    timetable.add_missing([])


@pytest.mark.usefixtures("lines")
def test_nothing_is_said_of_what_is_on_time(client: Client) -> None:
    assert timetable.complaints() == []
    assert client.get("/readyz").content == b"ok"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"due_at": clock.now() - timedelta(seconds=45)}, "was due at"),
        ({"due_at": clock.now() + timedelta(days=3)}, "was due at"),  # clock set back
        ({"failures": 3}, "has failed 3 times in a row"),
    ],
)
@pytest.mark.usefixtures("lines")
def test_ready_says_when_due_work_stands_still(
    client: Client, columns: dict[str, object], said: str
) -> None:
    ScheduledTask.objects.filter(task=SWEEP).update(**columns)
    answer = client.get("/readyz")
    assert answer.status_code == 200  # calls are still served
    first, second = answer.content.decode().splitlines()
    assert first == "degraded"
    assert second.startswith(f"{SWEEP} {said}")


@pytest.mark.usefixtures("lines")
def test_ready_says_that_no_worker_ever_ran(client: Client) -> None:
    ScheduledTask.objects.all().delete()
    lines = client.get("/readyz").content.decode().splitlines()
    assert lines[0] == "degraded"
    assert len(lines) == 1 + len(TIMETABLE)
    assert "has never run" in lines[1]
