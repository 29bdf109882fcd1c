"""A command as a process that begins with the product's modules loaded.

Importing them is most of what a start costs, and the suite starts hundreds. So one
process, which knows neither settings nor a database, imports them once; each command
is a copy of it, which then runs `manage.py`, or a module of ours, from its first line,
with an environment and a process group of its own. What is copied is in
`warm_product.py`. (The servers of `manage.py up` are started cold, as everywhere:
tests/test_up.py.)
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
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, TypeAlias

from tests.support.sources import ROOT

PRODUCT = "tests.support.services.warm_product"
PR_SET_PDEATHSIG = 1
# A file's path, or an open end of a pipe.
Stream: TypeAlias = Path | int


class WarmProcess:
    """`manage.py` with these arguments, or `module`: as much of a `subprocess.Popen` as
    is used."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        stdout: Stream,
        stderr: Path | None = None,
        stdin: Stream | None = None,
        module: str | None = None,
    ) -> None:
        """What it prints is appended to `stdout`; errors, too, unless they have a
        file of their own. Without `stdin` it has nothing to read."""
        streams = (stdin or Path(os.devnull), stdout, stderr or stdout)
        for stream in streams[1:]:
            if isinstance(stream, Path):
                stream.touch()  # who reads it need not wait for the process
        is_same = kind_of_database(environment) == kind_of_database(os.environ)
        context: ForkServerContext | SpawnContext = (
            multiprocessing.get_context("forkserver")
            if is_same
            else multiprocessing.get_context("spawn")
        )
        context.set_forkserver_preload([PRODUCT])
        self.args = [module or "manage.py", *arguments]
        self._process = context.Process(
            target=_Command(
                self.args, dict(environment), streams, is_module=bool(module)
            )
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


class _Command:
    """What the copy runs; an open file goes over to it while it is started."""

    def __init__(
        self,
        arguments: list[str],
        environment: dict[str, str],
        streams: Sequence[Stream],
        *,
        is_module: bool,
    ) -> None:
        self.arguments = arguments
        self.environment = environment
        self.streams: Sequence[Any] = streams
        self.is_module = is_module

    def __getstate__(self) -> dict[str, Any]:
        streams = [
            stream if isinstance(stream, Path) else DupFd(stream)
            for stream in self.streams
        ]
        return {**vars(self), "streams": streams}

    def __call__(self) -> None:
        """Become a process as `Popen(…, start_new_session=True)` makes one."""
        # What it starts itself is started as everywhere, and not by the one copied.
        multiprocessing.set_start_method(None, force=True)
        os.setsid()
        # The copied process ends with the one that asked for the copies.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        for number, stream in enumerate(self.streams):
            take(stream, number)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        for output in (sys.stdout, sys.stderr):
            output.reconfigure(write_through=True)  # type: ignore[union-attr]
        os.environ.clear()
        os.environ.update(self.environment)
        sys.argv = self.arguments
        if PRODUCT in sys.modules:
            sys.modules[PRODUCT].forget()
        try:
            if self.is_module:
                runpy.run_module(self.arguments[0], run_name="__main__", alter_sys=True)
            else:
                runpy.run_path(str(ROOT / self.arguments[0]), run_name="__main__")
        finally:
            atexit._run_exitfuncs()


def take(stream: Any, number: int) -> None:
    """Make it this process's file of this number: 0 is read, the others written."""
    if isinstance(stream, Path):
        how = os.O_WRONLY | os.O_CREAT | os.O_APPEND if number else os.O_RDONLY
        handle = os.open(stream, how, 0o600)
    else:
        handle = stream.detach()
    if handle != number:
        os.dup2(handle, number)
        os.close(handle)
