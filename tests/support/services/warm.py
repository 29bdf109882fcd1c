"""`manage.py` as a process that begins with the product's modules loaded.

Importing them is most of what a start costs, and the suite starts hundreds. So one
process, which knows neither settings nor a database, imports them once; each command
is a copy of it, which then runs `manage.py` from its first line, with an environment
and a process group of its own. What is copied is in `warm_product.py`. (The servers of
`manage.py up` are started cold, as everywhere: tests/test_up.py.)
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path

from tests.support.sources import ROOT

PRODUCT = "tests.support.services.warm_product"
PR_SET_PDEATHSIG = 1


class WarmProcess:
    """`manage.py` with these arguments: as much of a `subprocess.Popen` as is used."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        stdout: Path,
        stderr: Path | None = None,
    ) -> None:
        """What it prints is appended to `stdout`; errors, too, unless they have a
        file of their own."""
        for path in (stdout, stderr or stdout):
            path.touch()  # who reads it need not wait for the process
        is_same = kind_of_database(environment) == kind_of_database(os.environ)
        context: ForkServerContext | SpawnContext = (
            multiprocessing.get_context("forkserver")
            if is_same
            else multiprocessing.get_context("spawn")
        )
        context.set_forkserver_preload([PRODUCT])
        self.args = ["manage.py", *arguments]
        self._process = context.Process(
            target=run, args=(self.args, dict(environment), stdout, stderr or stdout)
        )
        with started_from(ROOT):
            self._process.start()
        atexit.register(self._end)
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, negative for a signal. Raises: subprocess.TimeoutExpired."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _end(self) -> None:
        """multiprocessing waits for its children when this process ends: here, for
        what a test has left running."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)


def kind_of_database(environment: Mapping[str, str]) -> str:
    """ "sqlite" or "postgres". SQL is put together while modules are imported."""
    url = environment.get("DATABASE_URL") or "sqlite://"
    return "sqlite" if url.startswith("sqlite:") else "postgres"


@contextlib.contextmanager
def started_from(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def run(
    arguments: list[str], environment: dict[str, str], stdout: Path, stderr: Path
) -> None:
    """In the copy: become a process as `Popen(…, start_new_session=True)` makes one."""
    # What it starts itself is started as everywhere, and not by the one copied.
    multiprocessing.set_start_method(None, force=True)
    os.setsid()
    # The copied process ends with the one that asked for the copies.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    for number, path in enumerate((stdout, stderr), start=1):
        output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(output, number)
        os.close(output)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=True)  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    if PRODUCT in sys.modules:
        sys.modules[PRODUCT].forget()
    try:
        runpy.run_path(str(ROOT / arguments[0]), run_name="__main__")
    finally:
        atexit._run_exitfuncs()
