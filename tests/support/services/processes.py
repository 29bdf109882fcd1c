"""Starting and ending child processes so that none outlives the test run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from typing import Protocol

from tests.support.waiting import PATIENCE_SECONDS, wait_for


class Process(Protocol):
    """A child: a `subprocess.Popen`, or a `WarmProcess`."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def terminate(self) -> None: ...


def free_port() -> int:
    """A loopback port nobody listens on now; the next to bind it gets it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def dying_with_parent(command: list[str], signal_name: str = "TERM") -> list[str]:
    """The command, told by the kernel to end when this process is killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", signal_name, *command] if setpriv else command


def wait_until(
    condition: Callable[[], bool],
    *,
    process: Process,
    explain: Callable[[], str],
) -> None:
    """Wait for a condition that only this process can bring about.

    Raises: AssertionError with `explain()` when it never holds or the process ends.
    """

    def look() -> bool:
        code = process.poll()
        assert code is None, f"it ended by itself, exit code {code}\n{explain()}"
        return condition()

    wait_for(look, explain=explain)


def signal_group(process: Process, number: signal.Signals) -> None:
    """Signal a process and all its children (it was started as a group of its own)."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def end_group(process: Process) -> int:
    """Ask it to end, as a supervisor does, then make all its group; the exit code."""
    process.terminate()
    try:
        return process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        signal_group(process, signal.SIGKILL)
        return process.wait()
    finally:
        # Whatever of the group still lives: workers that lost their parent.
        signal_group(process, signal.SIGKILL)
