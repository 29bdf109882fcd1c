"""Starting and ending child processes so that none outlives the test run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable

POLL_SECONDS = 0.02


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
    process: subprocess.Popen[bytes] | None = None,
    seconds_max: float = 20,
    explain: Callable[[], str] = lambda: "",
) -> None:
    """Poll until the condition holds.

    Raises: RuntimeError with `explain()` when time is up or the process has ended.
    """
    deadline = time.monotonic() + seconds_max
    while not condition():
        if process is not None and process.poll() is not None:
            code = process.returncode
            raise RuntimeError(f"it ended by itself, exit code {code}\n{explain()}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"not ready within {seconds_max} s\n{explain()}")
        time.sleep(POLL_SECONDS)


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a process and all its children (it was started as a group of its own)."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def end_group(process: subprocess.Popen[bytes], *, seconds_max: float = 10) -> int:
    """Ask it to end, as a supervisor does, then make all its group; the exit code."""
    process.terminate()
    try:
        return process.wait(seconds_max)
    except subprocess.TimeoutExpired:
        signal_group(process, signal.SIGKILL)
        return process.wait()
    finally:
        # Whatever of the group still lives: workers that lost their parent.
        signal_group(process, signal.SIGKILL)
