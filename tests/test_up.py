"""`manage.py up`: what dies of it is started again; when it dies, nothing lives on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from portal.models import ScheduledTask
from tests.support import sources
from tests.support.services import processes
from tests.support.services.worker import SWEEP
from tests.support.waiting import PATIENCE_SECONDS, wait_for

DUE_WORK_SECONDS = 30

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("committed_db")]


class Up:
    """Everything on one machine, with the sandbox as its upstream."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "up.log"
        self.port = processes.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "VAR_DIR": str(folder),
            "PORT": str(self.port),
            "SANDBOX_PORT": str(processes.free_port()),
            "UPSTREAM_BASE_URL": "",
            "SWEEP_SECONDS": "1",
            "LOG_LEVEL": "DEBUG",  # what is done is counted in the log
            # What hangs when its supervisor is gone ends by the last resort.
            "SHUTDOWN_SECONDS": "30",
        }

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                processes.dying_with_parent([sys.executable, "manage.py", "up"]),
                cwd=sources.ROOT,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def is_ready(self) -> bool:
        """It serves, and its worker works."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz") as answer:
                return bool(answer.read() == b"ok")
        except OSError:  # an answer that it is not ready, too
            return False

    def wait_ready(self) -> None:
        wait_for(self.is_ready, explain=self.text)

    def sweeps(self) -> int:
        return len(re.findall(rf"Task {SWEEP}\[[^]]*\] succeeded", self.text()))

    def wait_sweeps(self, more: int) -> None:
        wanted = self.sweeps() + more
        wait_for(lambda: self.sweeps() >= wanted, explain=self.text)

    def living(self) -> dict[int, str]:
        """All processes that belong to it, its own too, and what each one is."""
        mark = f"VAR_DIR={self.environment['VAR_DIR']}".encode()
        found = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                environment = Path(f"/proc/{name}/environ").read_bytes()
                command = Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            if mark in environment.split(b"\0") and command:
                found[int(name)] = command.rstrip(b"\0").rpartition(b"\0")[2].decode()
        return found

    def pid(self, part: str) -> int:
        """The part's first process: the one that is the parent of any others."""
        return self.pids(part)[0]

    def pids(self, part: str) -> list[int]:
        """The parent first."""
        return sorted(pid for pid, name in self.living().items() if name == part)

    def wait_gone(self) -> None:
        wait_for(lambda: not self.living(), explain=self.living)


@pytest.fixture(scope="module")
def up(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Up]:
    """Running; one for both tests, as nothing of it begins warm."""
    with django_db_blocker.unblock():
        ScheduledTask.objects.all().delete()
    made = Up(tmp_path_factory.mktemp("up"))
    made.start()
    yield made
    processes.end_group(made.process)
    for pid in made.living():
        os.kill(pid, signal.SIGKILL)
    with django_db_blocker.unblock():
        ScheduledTask.objects.all().delete()


def test_what_is_killed_is_replaced(up: Up) -> None:
    """A worker within 30 s, besides what this machine takes to start one; a server
    with its own workers, which would keep its port."""
    begun = time.monotonic()
    up.wait_ready()
    up.wait_sweeps(1)
    start_seconds = time.monotonic() - begun
    for _ in range(2):
        os.kill(up.pid("worker"), signal.SIGKILL)
        killed_at = time.monotonic()
        up.wait_sweeps(3)
        seconds = time.monotonic() - killed_at - start_seconds
        assert seconds < DUE_WORK_SECONDS
    names = sorted(up.living().values())
    assert names.count("worker") == 1

    before = up.living()
    os.kill(up.pid("serve"), signal.SIGKILL)
    # For a moment there may be none.
    wait_for(lambda: not up.is_ready() or not {*up.pids("serve")[:1]} & before.keys())
    up.wait_ready()
    old = {pid for pid, name in before.items() if name == "serve"}
    wait_for(lambda: not old & up.living().keys(), explain=up.living)


def test_when_it_is_killed_nothing_lives_on_and_told_to_it_ends_well(up: Up) -> None:
    up.wait_ready()
    assert set(up.living().values()) == {"up", "serve", "worker", "sandbox"}
    up.process.kill()
    up.process.wait()
    up.wait_gone()
    up.start()
    up.wait_ready()
    before, started = up.sweeps(), time.monotonic()
    up.wait_sweeps(6)
    assert time.monotonic() - started >= 4, before  # one timetable, not two

    up.process.terminate()
    assert up.process.wait(PATIENCE_SECONDS) == 0
    assert not up.living()
