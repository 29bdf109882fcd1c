"""`up` runs parts: what dies is started again, and all end in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import sources
from tests.support.services import processes
from tests.support.waiting import PATIENCE_SECONDS, wait_for

pytestmark = pytest.mark.once

# A supervisor of parts that are given as (name, code, seconds to stop, ends last).
SUPERVISE = """
import os, sys, ast
from pathlib import Path
from portal.runtime import supervisor
supervisor.PAUSE_SECONDS = 0.05
parts = [
    supervisor.Part(name, [sys.executable, "-u", "-c", code], Path.cwd(), stop, last)
    for name, code, stop, last in ast.literal_eval(sys.argv[1])
]
sys.exit(supervisor.Supervisor(parts, os.environ).run())
"""
LIVES = "import time; print('up', flush=True); time.sleep(600)"
# Ends on SIGTERM, when `may_end` is there; says so.
ORDERLY = """
import signal, sys, time, pathlib
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(1))
print("up", flush=True)
while not told: time.sleep(0.01)
print("told", flush=True)
while not pathlib.Path("{file}").exists(): time.sleep(0.01)
print("ended", flush=True)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""


class Supervised:
    def __init__(self, log: Path, *parts: tuple[str, str, float, bool]) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                processes.dying_with_parent(
                    [sys.executable, "-c", SUPERVISE, repr(parts)]
                ),
                cwd=sources.ROOT,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_text(self, part: str, times: int = 1) -> None:
        wait_for(lambda: self.text().count(part) >= times, explain=self.text)

    def end(self) -> int:
        return self.process.wait(PATIENCE_SECONDS)


Start = Callable[..., Supervised]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Supervised] = []

    def run(*parts: tuple[str, str, float, bool]) -> Supervised:
        started.append(Supervised(tmp_path / "log", *parts))
        return started[-1]

    yield run
    for each in started:
        processes.end_group(each.process)


def pids(part: str, text: str) -> list[int]:
    prefix = f"{part:<8}| pid "
    return [
        int(line.removeprefix(prefix))
        for line in text.splitlines()
        if line.startswith(prefix)
    ]


SAYS_PID = "import os, time; print('pid', os.getpid(), flush=True); time.sleep(600)"


def test_a_killed_part_is_started_again(start: Start) -> None:
    up = start(("one", SAYS_PID, 5, False), ("other", SAYS_PID, 5, False))
    up.wait_text("pid", 2)
    [first] = pids("one", up.text())
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: len(pids("one", up.text())) == 2, explain=up.text)
    assert len(pids("other", up.text())) == 1
    assert "one ended with -9" in up.text()


@pytest.mark.parametrize(("dies", "code"), [("exit(3)", 3), ("exit(0)", 1)])
def test_a_part_that_does_not_stay_is_given_up(
    start: Start, dies: str, code: int
) -> None:
    """Also one that ends with 0: a part has no reason to end."""
    up = start(("bad", f"print('begun'); {dies}", 5, False), ("good", LIVES, 5, False))
    assert up.end() == code
    assert up.text().count("begun") == 5
    assert "bad is given up" in up.text()


def test_an_orderly_end_is_waited_for_and_is_a_good_one(
    start: Start, tmp_path: Path
) -> None:
    code = ORDERLY.format(file=tmp_path / "may end")
    up = start(("part", code, PATIENCE_SECONDS, False))
    up.wait_text("up")
    up.process.terminate()
    up.wait_text("told")
    assert up.process.poll() is None
    (tmp_path / "may end").touch()
    assert up.end() == 0
    assert "part    | ended" in up.text()


def test_what_others_need_ends_last(start: Start, tmp_path: Path) -> None:
    first = ORDERLY.format(file=tmp_path / "may end")
    last = ORDERLY.format(file=tmp_path)
    up = start(
        ("needed", last, PATIENCE_SECONDS, True),
        ("needs", first, PATIENCE_SECONDS, False),
    )
    up.wait_text("up", 2)
    up.process.terminate()
    up.wait_text("needs   | told")
    (tmp_path / "may end").touch()
    assert up.end() == 0
    said = [line for line in up.text().splitlines() if line.endswith(("told", "ended"))]
    assert said == [
        "needs   | told",
        "needs   | ended",
        "needed  | told",
        "needed  | ended",
    ]


def test_what_does_not_end_in_time_is_killed_and_said(start: Start) -> None:
    up = start(("stubborn", STUBBORN, 0.2, False))
    up.wait_text("up")
    up.process.terminate()
    assert up.end() == 1
    assert "stubborn is killed" in up.text()


def test_ctrl_c_waits_no_more_when_it_ends_already(start: Start) -> None:
    up = start(("stubborn", STUBBORN, 600, False))
    up.wait_text("up")
    for _ in range(3):
        up.process.terminate()
    wait_for(lambda: interrupted(up), explain=up.text)
    assert up.end() == 1


def interrupted(up: Supervised) -> bool:
    """Whether it is in a hurry, by this Ctrl-C or one before it; two at the same
    moment may be heard as one."""
    if "is killed" not in up.text():
        up.process.send_signal(signal.SIGINT)
    return "is killed" in up.text()
