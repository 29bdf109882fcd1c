"""The real worker does what is due, over files and over Redis; killed, another does."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from billing import holds
from billing.models import Hold
from billing.values import clock
from billing.values.orders import Place, Placed
from portal.models import ScheduledTask
from tests.support import cast
from tests.support.services import database
from tests.support.services.commands import manage
from tests.support.services.postgres import Cluster
from tests.support.services.worker import SWEEP, Worker
from tests.support.waiting import wait_for

DUE_WORK_SECONDS = 30

pytestmark = pytest.mark.usefixtures("fresh_timetable")


@pytest.fixture
def fresh_timetable(committed_db: None) -> Iterator[None]:
    ScheduledTask.objects.all().delete()
    yield
    ScheduledTask.objects.all().delete()


def abandoned_hold() -> Hold:
    """A hold under the lease of a process that has ended."""
    owner = cast.make_user(f"{uuid.uuid4().hex}@example.com")
    organization = cast.make_organization(f"Abandoned {uuid.uuid4().hex[:8]}", owner)
    key, _ = cast.make_key(organization, owner)
    order = Place(
        hold_id=uuid.uuid4().hex,
        account_id=organization.account_id,
        spender_id=key.spender_id,
        bound_micros=1_000_000,
        operation="chat.completions",
        model="m",
        due_at=clock.now() + timedelta(hours=1),
        lease_id=uuid.uuid4().hex,
    )
    [placed] = holds.commit([order])
    assert isinstance(placed, Placed)
    return Hold.objects.get(id=uuid.UUID(order.hold_id))


def wait_until_doubted(hold: Hold, worker: Worker) -> None:
    def is_doubted() -> bool:
        hold.refresh_from_db()
        return hold.state == "in_doubt"

    wait_for(is_doubted, explain=worker.text)


def wait_until_ready(*workers: Worker) -> None:
    wait_for(
        lambda: all(" ready." in worker.text() for worker in workers),
        explain=workers[0].text,
    )


@pytest.mark.once
def test_a_worker_over_files_finds_a_dead_call(tmp_path: Path) -> None:
    hold = abandoned_hold()
    with Worker(tmp_path, REDIS_URL="") as worker:
        wait_until_doubted(hold, worker)
    assert hold.reason == "caller_died"


@pytest.mark.once
def test_a_worker_over_redis_finds_a_dead_call(tmp_path: Path, redis_url: str) -> None:
    hold = abandoned_hold()
    with Worker(tmp_path, REDIS_URL=redis_url) as worker:
        wait_until_doubted(hold, worker)
    assert hold.reason == "caller_died"


def test_two_workers_do_the_work_of_one(tmp_path: Path) -> None:
    with Worker(tmp_path, "one") as one, Worker(tmp_path, "other") as other:
        wait_until_ready(one, other)
        before, started = one.runs() + other.runs(), time.monotonic()
        wait_for(lambda: one.runs() + other.runs() >= before + 6, explain=one.text)
        seconds = time.monotonic() - started
    # Two times are a second apart, whoever takes them; the first may have run before.
    assert seconds >= 4


def test_when_a_worker_is_killed_another_goes_on(tmp_path: Path) -> None:
    with Worker(tmp_path, "one") as one, Worker(tmp_path, "other") as other:
        wait_until_ready(one, other)
        one.kill()
        killed_at = time.monotonic()
        other.wait_runs(5)
        assert time.monotonic() - killed_at < DUE_WORK_SECONDS
        assert other.stop() == 0


def test_what_a_killed_worker_was_doing_is_done_by_the_next(tmp_path: Path) -> None:
    """It was killed in the middle of its task: the row still names it."""
    hold = abandoned_hold()
    row = {"due_at": clock.now() + timedelta(seconds=1), "taken_by": uuid.uuid4()}
    ScheduledTask.objects.create(task=SWEEP, **row)
    with Worker(tmp_path) as worker:
        wait_until_ready(worker)
        started = time.monotonic()
        wait_until_doubted(hold, worker)
    assert time.monotonic() - started < DUE_WORK_SECONDS


@pytest.mark.once
def test_a_clock_set_back_silences_no_worker(tmp_path: Path) -> None:
    with Worker(tmp_path) as worker:
        worker.wait_runs()
        ScheduledTask.objects.update(due_at=clock.now() + timedelta(days=9))
        worker.wait_runs(2)


@pytest.mark.once
def test_a_worker_that_is_told_to_end_ends_well(tmp_path: Path) -> None:
    with Worker(tmp_path) as worker:
        worker.wait_runs()
        assert worker.stop() == 0
    assert not ScheduledTask.objects.exclude(taken_by=None).exists()


@pytest.mark.postgres_only
def test_due_work_goes_on_when_the_database_is_back(
    tmp_path: Path, spare_cluster: Cluster
) -> None:
    url = spare_cluster.url("postgres")
    assert manage("migrate", "--no-input", DATABASE_URL=url).returncode == 0
    with Worker(tmp_path, DATABASE_URL=url) as worker:
        worker.wait_runs()
        spare_cluster.crash()
        spare_cluster.launch()
        back_at = time.monotonic()
        worker.wait_runs(2)
        assert time.monotonic() - back_at < DUE_WORK_SECONDS


@pytest.mark.once
def test_a_worker_at_rest_says_next_to_nothing(tmp_path: Path) -> None:
    """And LOG_LEVEL reaches it: what it did is said at DEBUG."""

    def looks() -> int:
        row = ScheduledTask.objects.filter(task=SWEEP).first()
        return row.beats if row else 0

    with database.empty_at(tmp_path / "empty.sqlite3") as url:
        with Worker(tmp_path, DATABASE_URL=url, LOG_LEVEL="INFO") as worker:
            wait_for(lambda: looks() >= 6, explain=worker.text)
            _, _, at_rest = worker.text().partition(" ready.")
            assert len(at_rest.splitlines()) < 4, worker.text()
        before = looks()
        with Worker(tmp_path, "silent", DATABASE_URL=url, LOG_LEVEL="ERROR") as worker:
            wait_for(lambda: looks() >= before + 3, explain=worker.text)
            assert "INFO" not in worker.text()
