"""Starting the demonstration's processes, and ending them whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from django.conf import settings
from django.core.management.base import CommandError

from portal.runtime import locations
from portal.runtime.server import free_port

START_SECONDS = 60
STOP_SECONDS = 20


def port_or_free(name: str, preferred: int) -> int:
    """The port that the environment names, else the usual one, else a free one.

    Raises: CommandError when the environment's is in use.
    """
    try:
        return free_port(settings.HOST, preferred)
    except CommandError:
        if name in os.environ:
            raise
        return free_port(settings.HOST, 0)


@contextmanager
def running(log: Path, environment: dict[str, str]) -> Iterator[None]:
    """`manage.py up` beside us, until the block ends.

    Raises: CommandError when it ended by itself or never answered.
    """
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603  our own command, no shell
            [sys.executable, "manage.py", "up"],
            cwd=settings.BASE_DIR,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        host = locations.in_url(settings.HOST)
        url = f"http://{host}:{environment['PORT']}/readyz"
        wait_for(url, process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CommandError(f"It ended with {process.returncode}; see {log}.")
        with suppress(httpx.TransportError):
            if httpx.get(url, timeout=2, trust_env=False).is_success:
                return
        time.sleep(0.1)
    raise CommandError(f"No answer within {START_SECONDS} seconds; see {log}.")
