"""A process ends with the one that started it, even where no Python runs any more."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.sources import ROOT
from tests.support.waiting import wait_for

# Told to end, it holds the interpreter's lock for ever, as a hang in a library does.
STUCK = """
import ctypes, os, signal, sys, time
from portal.runtime.endings import end_with_parent
signal.signal(signal.SIGTERM, lambda *_: ctypes.PyDLL(None).sleep(100_000))
end_with_parent(os.getppid(), seconds=1)
print(os.getpid(), flush=True)
while True:
    time.sleep(0.05)
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


def test_what_hangs_with_the_interpreter_locked_ends_all_the_same() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, STUCK],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    try:
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        wait_for(lambda: not is_alive(child), explain=lambda: f"{child} lives on")
    finally:
        parent.stdout.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie that nobody waits for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
