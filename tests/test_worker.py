"""The real Celery worker with beat, over files and over Redis, finds dead calls."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from billing import holds
from billing.models import Hold
from billing.values import clock
from billing.values.orders import Place, Placed
from tests.support import cast, sources
from tests.support.waiting import PATIENCE_SECONDS, wait_for


@contextmanager
def worker(folder: Path, database_url: str, redis_url: str) -> Iterator[Path]:
    """Runs `manage.py worker`, sweeping each second; yields the file it logs to."""
    log = folder / "worker.log"
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "VAR_DIR": str(folder),
        "SWEEP_SECONDS": "1",
    }
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603  our own command, no shell
            [sys.executable, "manage.py", "worker"],
            cwd=sources.ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield log
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


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


def wait_until_doubted(hold: Hold, log: Path) -> None:
    def is_doubted() -> bool:
        hold.refresh_from_db()
        return hold.state == "in_doubt"

    wait_for(is_doubted, explain=log.read_text)


@pytest.mark.once
@pytest.mark.usefixtures("committed_db")
def test_a_worker_over_files_finds_a_dead_call(
    tmp_path: Path, database_url: str
) -> None:
    hold = abandoned_hold()
    with worker(tmp_path, database_url, "") as log:
        wait_until_doubted(hold, log)
    assert hold.reason == "caller_died"


@pytest.mark.once
@pytest.mark.usefixtures("committed_db")
def test_a_worker_over_redis_finds_a_dead_call(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    hold = abandoned_hold()
    with worker(tmp_path, database_url, redis_url) as log:
        wait_until_doubted(hold, log)
    assert hold.reason == "caller_died"
